#include "base/suggest.h"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

namespace qanat {
namespace {

// Longer ones are no words: what is typed by mistake may be a megabyte.
constexpr std::size_t longest_word = 64;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Letters to change, add, drop or swap with their neighbour (optimal string alignment).
std::size_t distance(std::string_view a, std::string_view b) {
  const std::size_t width = b.size() + 1;
  std::vector<std::size_t> table((a.size() + 1) * width);
  const auto at = [&](std::size_t i, std::size_t j) -> std::size_t& {
    return table[i * width + j];
  };
  for (std::size_t i = 0; i <= a.size(); ++i) at(i, 0) = i;
  for (std::size_t j = 0; j <= b.size(); ++j) at(0, j) = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1;
      at(i, j) = std::min({at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + change});
      const bool swapped = i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                           lower(a[i - 2]) == lower(b[j - 1]);
      if (swapped) at(i, j) = std::min(at(i, j), at(i - 2, j - 2) + 1);
    }
  }
  return at(a.size(), b.size());
}

// An option's dashes are no letters.
std::string_view plain(std::string_view word) {
  return word.substr(std::min(word.find_first_not_of('-'), word.size()));
}

// A short word with another first letter is another word, as "stop" is not "top" and "ksh" not
// "zsh"; unless its first two changed places.
bool begins_otherwise(std::string_view wrong, std::string_view word) {
  constexpr std::size_t short_word = 4;
  if (wrong.size() > short_word || word.empty() || lower(wrong[0]) == lower(word[0])) return false;
  return word.size() < 2 || lower(wrong[0]) != lower(word[1]) || lower(wrong[1]) != lower(word[0]);
}

}  // namespace

std::string_view nearest_word(std::string_view wrong, std::span<const std::string_view> known) {
  const std::string_view letters_of_it = plain(wrong);
  // One letter is as near to any other.
  if (letters_of_it.size() < 2 || wrong.size() > longest_word) return {};
  // About one letter of three may be wrong: of "tpo" one, of "sever" two.
  std::size_t least = std::max<std::size_t>(1, (letters_of_it.size() + 1) / 3) + 1;
  std::string_view nearest;
  for (const std::string_view word : known) {
    const std::size_t letters = distance(wrong, word);
    // What must be changed altogether is another word.
    if (letters >= least || letters >= plain(word).size()) continue;
    if (begins_otherwise(letters_of_it, plain(word))) continue;
    least = letters;
    nearest = word;
  }
  if (!nearest.empty() || wrong.size() < 3) return nearest;
  const auto begins = [&](std::string_view word) { return word.starts_with(wrong); };
  const auto first = std::find_if(known.begin(), known.end(), begins);
  const bool alone = first != known.end() && std::none_of(first + 1, known.end(), begins);
  return alone ? *first : std::string_view();
}

std::string did_you_mean(std::string_view wrong, std::span<const std::string_view> known) {
  const std::string_view word = nearest_word(wrong, known);
  return word.empty() ? "" : fmt::format("; did you mean '{}'?", word);
}

std::vector<std::string_view> words_of(std::string_view list) {
  std::vector<std::string_view> words;
  while (true) {
    const std::size_t begin = list.find_first_not_of(" ,");
    if (begin == std::string_view::npos) return words;
    list.remove_prefix(begin);
    const std::size_t end = std::min(list.find_first_of(" ,"), list.size());
    words.push_back(list.substr(0, end));
    list.remove_prefix(end);
  }
}

}  // namespace qanat
