// pollen: a seed by HTTP for who brings a challenge. docs/protocols/pollen.md.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace qanat::wire::pollen {

inline constexpr std::size_t seed_bytes = 64;
// Two lines of 128 hex digits.
inline constexpr std::size_t reply_bytes = 2 * (2 * seed_bytes + 1);
inline constexpr std::string_view form_type = "application/x-www-form-urlencoded";

// The body of the question. `challenge`: letters and digits.
std::string encode_question(std::string_view challenge);
// A reply with its seed, as text, into reply_bytes of `out`.
void write_reply(std::string_view challenge, std::span<const std::uint8_t, seed_bytes> seed,
                 MutableBytes out);
// The seed of a reply to this challenge; false when it is none, or one to another. Total.
bool read_reply(Bytes reply, std::string_view challenge, std::span<std::uint8_t, seed_bytes> seed);

}  // namespace qanat::wire::pollen
