// What a node and its monitor say to each other: a request and its answer, each of one size, over a
// socket pair (SOCK_SEQPACKET) between two processes of one program. A descriptor may go with
// either.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace qanat::monitor {

// What the configuration names, by BLAKE2b-256 of what it is and its text: no path and no command
// comes from the node.
using GrantId = std::array<std::uint8_t, 32>;
enum class GrantKind : char { read = 'r', write = 'w', command = 'c' };
GrantId grant_id(GrantKind kind, std::string_view text);

enum class Kind : std::uint32_t {
  open = 1,       // grant; first: flags of open(2). Answered with a descriptor
  bind,           // body: a sockaddr; with a descriptor: a socket
  add_to_kernel,  // body: bytes, of which the last `second` are local; first: bytes credited
  start,        // grant; body: variables; may bring a descriptor: its output. Answered with a link
  find_holder,  // first: process group, 0: any; body: device numbers, 8 bytes each
  reload,       // the configuration is read again, by the monitor
};

struct Request {
  // Variables of an alarm: an event as JSON is the longest.
  static constexpr std::size_t most_body = 16384;

  Kind kind{};
  std::uint32_t first = 0;
  std::uint32_t second = 0;
  std::uint32_t size = 0;  // of the body
  GrantId grant{};
  std::array<std::uint8_t, most_body> body{};

  Bytes used() const { return Bytes(body).first(size < most_body ? size : most_body); }
};

struct Answer {
  std::int32_t problem = 0;  // 0 or an errno value
  std::int32_t process = 0;
  std::array<char, 248> text{};  // for people; ends with a zero byte

  void say(std::string_view what);
  std::string said() const;
};

// "NAME=VALUE", each with a zero byte at its end. False when they are too long, or one holds a zero
// byte.
using Variables = std::vector<std::pair<std::string, std::string>>;
bool write_variables(const Variables& variables, Request& request);
// nullopt unless each is whole and its name is one that we give: no PATH, no LD_PRELOAD, nothing
// that libqanat reads.
std::optional<Variables> read_variables(Bytes body);

}  // namespace qanat::monitor
