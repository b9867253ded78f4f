#include "wire/egd.h"

#include <algorithm>

namespace qanat::wire::egd {

Status decode(Bytes in, Command& out, std::size_t& used) {
  constexpr std::size_t add_head = 4;
  if (in.empty()) return Status::incomplete;
  if (in[0] > static_cast<std::uint8_t>(Verb::process)) return Status::malformed;
  out = {};
  out.verb = static_cast<Verb>(in[0]);
  switch (out.verb) {
    case Verb::level:
    case Verb::process:
      used = 1;
      return Status::complete;
    case Verb::read:
    case Verb::wait:
      if (in.size() < 2) return Status::incomplete;
      out.bytes = in[1];
      used = 2;
      return Status::complete;
    case Verb::add:
      break;
  }
  if (in.size() < add_head || in.size() < add_head + in[3]) return Status::incomplete;
  out.bits = static_cast<unsigned>(in[1] << 8 | in[2]);
  out.data = in.subspan(add_head, in[3]);
  used = add_head + in[3];
  return Status::complete;
}

std::array<std::uint8_t, 4> encode_level(std::uint64_t bits) {
  const std::uint64_t capped = std::min<std::uint64_t>(bits, 0xffffffff);
  return {static_cast<std::uint8_t>(capped >> 24), static_cast<std::uint8_t>(capped >> 16),
          static_cast<std::uint8_t>(capped >> 8), static_cast<std::uint8_t>(capped)};
}

}  // namespace qanat::wire::egd
