#include "sources/runner/lookalikes.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "base/files.h"
#include "base/processes.h"
#include "base/shown.h"
#include "sources/runner/origins.h"

namespace qanat::sources {
namespace {

constexpr std::string_view counted = "whose entropy was already counted at its source";

// What gives nothing but what it drew from the kernel. `word`: the first of its words that is no
// option; empty: any.
struct Generator {
  std::string_view program;
  std::string_view word = {};
};
constexpr std::array generators{Generator{"openssl", "rand"}, Generator{"gpg", "--gen-random"},
                                Generator{"uuidgen"},         Generator{"mcookie"},
                                Generator{"pwgen"},           Generator{"getrandom"},
                                Generator{"urandom"},         Generator{"token_bytes"}};

// The functions by which languages ask the kernel: "os.urandom".
constexpr std::array functions{std::string_view(".urandom"), std::string_view(".getrandom"),
                               std::string_view(".token_bytes")};

// A node's paths: what it gives was counted by it.
constexpr std::array nodes{std::string_view("/v1/random"), std::string_view("/v1/stream"),
                           std::string_view("/run/qanat/")};

struct Word {
  std::string text = {};
  bool written = false;  // to, not read from: "> FILE", "of=FILE"
  bool first = false;    // of a part of a pipe or a list
};

// Of a shell's command, whatever is quoted: "sh -c 'cat /dev/urandom'" reads what its words say.
std::vector<Word> words_of(std::string_view command) {
  constexpr std::string_view between = " \t\n`;|&<>()=,{}";
  constexpr std::string_view separate = "\n`;|&(){}";
  constexpr std::string_view unseen = "'\"\\";
  std::vector<Word> words;
  Word word{.first = true};
  char direction = ' ';
  bool first = true;
  const auto end_word = [&] {
    if (word.text.empty()) return;
    first = false;
    words.push_back(std::move(word));
    word = {};
    direction = ' ';
  };
  for (const char c : command) {
    if (unseen.find(c) != std::string_view::npos) continue;
    if (between.find(c) == std::string_view::npos) {
      if (word.text.empty()) {
        const bool output = !words.empty() && words.back().text == "of" && direction == '=';
        word.written = direction == '>' || output;
        word.first = first;
      }
      word.text += c;
      continue;
    }
    end_word();
    if (separate.find(c) != std::string_view::npos) first = true;
    // "<>" opens for both.
    if (c == '<' || c == '=' || (c == '>' && direction != '<')) direction = c;
  }
  end_word();
  return words;
}

bool runs(const std::vector<Word>& words, std::size_t at, const Generator& generator) {
  const std::string& program = words[at].text;
  if (name_of(program) != generator.program) return false;
  // A path that merely ends so is a file.
  if (program.find('/') != std::string::npos && ::access(program.c_str(), X_OK) != 0) return false;
  if (generator.word.empty()) return true;
  for (std::size_t next = at + 1; next < words.size() && !words[next].first; ++next) {
    if (words[next].text.starts_with(generator.word)) return true;
    if (!words[next].text.starts_with('-')) return false;
  }
  return false;
}

bool asks_a_node(const std::vector<Word>& words, std::size_t at) {
  const std::string& word = words[at].text;
  return runs(words, at, {"qanat", "get"}) ||
         std::any_of(nodes.begin(), nodes.end(),
                     [&](std::string_view path) { return word.find(path) != std::string::npos; });
}

bool asks_the_kernel(const std::vector<Word>& words, std::size_t at) {
  const std::string& word = words[at].text;
  return std::any_of(functions.begin(), functions.end(),
                     [&](std::string_view name) { return word.ends_with(name); }) ||
         std::any_of(generators.begin(), generators.end(),
                     [&](const Generator& generator) { return runs(words, at, generator); });
}

}  // namespace

std::string lookalike_in(std::string_view command) {
  const std::vector<Word> words = words_of(command);
  for (std::size_t at = 0; at < words.size(); ++at) {
    const Word& word = words[at];
    const auto origin = word.written ? std::nullopt : origin_of(word.text);
    if (origin && (is_kernel_generator(*origin) ||
                   (origin->type == S_IFREG && !worthless_path(word.text).empty()))) {
      return fmt::format("it reads {}, {}", escaped(word.text), counted);
    }
    if (asks_a_node(words, at)) {
      return fmt::format("it asks a qanat node ({}), {}", escaped(word.text), counted);
    }
    if (asks_the_kernel(words, at)) {
      return fmt::format("it asks the kernel's generator ({}), {}", escaped(word.text), counted);
    }
  }
  return "";
}

std::string lookalike_of_group(pid_t group) {
  if (group <= 0) return "";
  const auto reader = find_holder(kernel_generators(), group);
  if (!reader) return "";
  return fmt::format("its process {} ({}) has the kernel's generator open, {}", reader->process,
                     reader->name, counted);
}

}  // namespace qanat::sources
