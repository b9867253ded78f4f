// TPM2_GetRandom, of a TPM 2.0. All numbers are big-endian:
//
//   command  tag u16 0x8001 | size u32 12 | command u32 0x17b | bytes wanted u16
//   answer   tag u16 0x8001 | size u32    | code u32 0        | n u16 | n bytes
//   refusal  tag u16 0x8001 | size u32 10 | code u32
//
// "TPM 2.0 Library" of the TCG, part 1, "Command/Response Structure", and part 3, "TPM2_GetRandom".
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/error.h"

namespace qanat::wire::tpm {

// A TPM gives as many as its largest digest has, however many are asked for; none has a larger one.
inline constexpr std::size_t most_bytes = 64;
inline constexpr std::size_t command_bytes = 12;
inline constexpr std::size_t most_answer = 12 + most_bytes;

std::array<std::uint8_t, command_bytes> get_random(std::uint16_t bytes);

struct Answer {
  std::uint32_t code = 0;  // TPM_RC; 0: there are `bytes`
  Bytes bytes;             // 1 to most_bytes; points into what was decoded
};
// Total. An Error, in words, for what is no answer.
Result<Answer> read_answer(Bytes in);

}  // namespace qanat::wire::tpm
