// EGD, the entropy gathering daemon's protocol over a stream. docs/protocols/egd.md.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "wire/status.h"

namespace qanat::wire::egd {

// By TCP, where other EGDs are asked at a UNIX socket.
inline constexpr std::uint16_t usual_port = 8888;

inline constexpr std::size_t most_bytes = 255;  // of one read or add
// The longest command: add, with its data.
inline constexpr std::size_t most_command = 4 + most_bytes;

enum class Verb : std::uint8_t {
  level = 0,    // how many bits are there?
  read = 1,     // up to so many bytes, at once
  wait = 2,     // so many bytes, as they come
  add = 3,      // take these, which are worth so many bits
  process = 4,  // the daemon's process id
};

struct Command {
  Verb verb = Verb::level;
  std::size_t bytes = 0;  // wanted
  unsigned bits = 0;      // claimed of `data`
  Bytes data;             // of add; points into what was decoded
};

// What stands at the beginning of `in`: a command, which took `used` bytes; too little of one; or
// none. Total.
Status decode(Bytes in, Command& out, std::size_t& used);

inline std::array<std::uint8_t, 2> encode_read(Verb verb, std::size_t bytes) {
  return {static_cast<std::uint8_t>(verb), static_cast<std::uint8_t>(bytes)};
}
std::array<std::uint8_t, 4> encode_level(std::uint64_t bits);

}  // namespace qanat::wire::egd
