// rngnet: datagrams of raw entropy, and the line that tells what came of them.
// docs/protocols/rngnet.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "spec/address.h"

namespace qanat::wire::rngnet {

// A datagram. More than 1,472 travels in fragments, any of which may be lost.
inline constexpr std::size_t usual_bytes = 512;
inline constexpr std::size_t least_bytes = 16;
inline constexpr std::size_t most_bytes = 8192;
inline constexpr std::uint16_t usual_port = 7751;
inline constexpr std::size_t most_recipients = 256;

// "HOST:PORT,HOST:PORT", each port as a rule the usual one.
Result<std::vector<spec::Address>> parse_recipients(std::string_view text);

// What came of the datagrams, since the last line and in all.
struct Counts {
  std::uint64_t ok = 0;        // of the right size
  std::uint64_t weak = 0;      // of these, with odd frequencies
  std::uint64_t recv_err = 0;  // the socket's errors
  std::uint64_t bad_size = 0;
};

// Chi-square of the frequencies of 4-bit blocks, 15 degrees of freedom: an ideal source is beyond
// it in 3 of 1,000 datagrams, as the STAT line of the original shows for a good one.
inline constexpr double weak_limit = 34.39;

// "STAT ok=834/3336 weak=3/10 weak_rate=3 recv_err=0/0 bad_size=0/0": since the last line, and in
// all; the rate is that since the last line, per thousand of ok, rounded down.
std::string stat_line(const Counts& recent, const Counts& total);

}  // namespace qanat::wire::rngnet
