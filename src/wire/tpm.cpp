#include "wire/tpm.h"

#include <fmt/core.h>

namespace qanat::wire::tpm {
namespace {

constexpr std::uint32_t no_sessions = 0x8001;  // TPM_ST_NO_SESSIONS
constexpr std::uint32_t of_tpm_1_2 = 0x00c4;   // TPM_TAG_RSP_COMMAND
constexpr std::size_t head_bytes = 10;

std::uint32_t number(Bytes digits) {
  std::uint32_t number = 0;
  for (const std::uint8_t digit : digits) number = number << 8 | digit;
  return number;
}

}  // namespace

std::array<std::uint8_t, command_bytes> get_random(std::uint16_t bytes) {
  return {0x80,
          0x01,
          0,
          0,
          0,
          command_bytes,
          0,
          0,
          0x01,
          0x7b,
          static_cast<std::uint8_t>(bytes >> 8),
          static_cast<std::uint8_t>(bytes)};
}

Result<Answer> read_answer(Bytes in) {
  if (in.size() < head_bytes || number(in.subspan(2, 4)) != in.size()) {
    return error(fmt::format("{} bytes that are no answer", in.size()));
  }
  const std::uint32_t tag = number(in.first(2));
  if (tag == of_tpm_1_2) return error("it is a TPM 1.2, and only those of 2.0 are read");
  if (tag != no_sessions) return error(fmt::format("an answer of the unknown kind {:#06x}", tag));
  const std::uint32_t code = number(in.subspan(6, 4));
  const Bytes rest = in.subspan(head_bytes);
  if (code != 0) return Answer{code, {}};
  if (rest.size() <= 2 || rest.size() > 2 + most_bytes ||
      number(rest.first(2)) != rest.size() - 2) {
    return error(fmt::format("{} bytes where noise was asked for, which are not as many as it says",
                             rest.size()));
  }
  return Answer{0, rest.subspan(2)};
}

}  // namespace qanat::wire::tpm
