// NetRNG's messages: MessagePack maps, each followed by a delimiter. docs/protocols/netrng.md.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "wire/status.h"

namespace qanat::wire::netrng {

inline constexpr std::string_view delimiter = "--NETRNG-SOCKET-DELIMITER";
inline constexpr std::size_t most_sample = 65535;
inline constexpr std::uint16_t usual_port = 8989;
// A request of any client has 37 bytes.
inline constexpr std::size_t most_request = 256;
// What surrounds a sample.
inline constexpr std::size_t sample_head_bytes = 23;
inline constexpr std::size_t most_reply = most_request + most_sample;

enum class Verb : std::uint8_t { sample, heartbeat };
enum class Side : std::uint8_t { client, server };

struct Message {
  Verb verb = Verb::sample;
  Bytes sample;  // of a server's; points into what was decoded
};

// What `side` says at the beginning of `in`, which took `used` bytes with its delimiter. Strings
// may have the old raw encoding or the newer ones. The sample's length is believed, never a search:
// the delimiter may stand in random bytes. `incomplete` for no more than `most` bytes. Total.
Status decode(Side side, Bytes in, std::size_t most, Message& out, std::size_t& used);

// A message without a sample, and its delimiter.
std::vector<std::uint8_t> encode(Side side, Verb verb);
// A reply with a sample of `bytes` (1 to most_sample) is this, the sample, and the delimiter.
std::array<std::uint8_t, sample_head_bytes> encode_sample_head(std::size_t bytes);

}  // namespace qanat::wire::netrng
