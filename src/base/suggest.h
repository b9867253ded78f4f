// "Did you mean ...?", wherever a word is not one of those that are known.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qanat {

// The one of `known` that `wrong` was probably meant to be: a few letters differ, are missing or
// changed places, or it begins so and nothing else does. Empty when none is near.
std::string_view nearest_word(std::string_view wrong, std::span<const std::string_view> known);

// "; did you mean 'serve'?", to be put behind a message; empty when no word is near.
std::string did_you_mean(std::string_view wrong, std::span<const std::string_view> known);

// The words of "rate burst weight" or "full, drbg".
std::vector<std::string_view> words_of(std::string_view list);

}  // namespace qanat
