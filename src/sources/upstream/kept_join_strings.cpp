#include "sources/upstream/kept_join_strings.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <deque>
#include <optional>

#include "base/mutex.h"

namespace qanat::sources {
namespace {

constexpr std::string_view name_prefix = "qanat1-kept.";
constexpr std::string_view given_prefix = "qanat1-given.";
// Of a join string's own.
constexpr std::string_view letters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";

// A join string that was set aside; once it is kept, what stands for it instead.
struct Given {
  std::string text;
  bool kept = false;
};

struct Store {
  Mutex mutex;
  std::deque<wire::JoinString> kept GUARDED_BY(mutex);
  std::deque<Given> given GUARDED_BY(mutex);
};

Store& store() {
  static Store only;
  return only;
}

bool same(const wire::JoinString& one, const wire::JoinString& other) {
  return one.name == other.name && one.address.text() == other.address.text() &&
         one.pin == other.pin && equal_constant_time(one.key.view(), other.key.view());
}

std::string name_of(wire::JoinString join, Store& all) REQUIRES(all.mutex) {
  std::size_t at = 0;
  while (at < all.kept.size() && !same(all.kept[at], join)) ++at;
  if (at == all.kept.size()) all.kept.push_back(std::move(join));
  return fmt::format("{}{}", name_prefix, at);
}

std::optional<std::size_t> number_after(std::string_view prefix, std::string_view text) {
  std::size_t number = 0;
  if (!text.starts_with(prefix)) return std::nullopt;
  text.remove_prefix(prefix.size());
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// The text with `replace(word)` in place of each word that begins where `find` finds one; without
// blanks around one that stands alone, or at the end, as it is copied from a page or a mail.
template <typename Find, typename Replace>
std::string with_words(std::string_view text, const Find& find, const Replace& replace) {
  constexpr std::string_view blanks = " \t\r\n";
  std::string out;
  if (const std::size_t at = find(text); at < text.size() && text.find_first_not_of(blanks) == at) {
    text.remove_prefix(at);
  }
  while (!text.empty()) {
    const std::size_t at = std::min(find(text), text.size());
    out += text.substr(0, at);
    text.remove_prefix(at);
    if (text.empty()) break;
    const std::string_view word =
        text.substr(0, std::min(text.find_first_not_of(letters), text.size()));
    out += replace(word);
    text.remove_prefix(word.size());
    if (text.find_first_not_of(blanks) == std::string_view::npos) break;
  }
  return out;
}

// What stands for a join string from now on: itself, if it is damaged.
std::string keep_locked(std::string_view word, Store& all) REQUIRES(all.mutex) {
  auto join = wire::decode_join_string(word);
  return join ? name_of(std::move(*join), all) : std::string(word);
}

std::string keep(std::string_view word) {
  Store& all = store();
  const MutexLock lock(all.mutex);
  return keep_locked(word, all);
}

std::string keep_given(std::string_view word) {
  Store& all = store();
  const MutexLock lock(all.mutex);
  const auto number = number_after(given_prefix, word);
  if (!number || *number >= all.given.size()) return std::string(word);
  Given& given = all.given[*number];
  if (!given.kept) {
    std::string instead = keep_locked(given.text, all);
    wire::wipe_text(given.text);
    given = {std::move(instead), true};
  }
  return given.text;
}

}  // namespace

std::string set_join_strings_aside(std::string_view text) {
  if (wire::find_join_string(text) == std::string_view::npos) return std::string(text);
  // "--source=..."
  const auto equals = text.starts_with("--") ? text.find('=') : std::string_view::npos;
  const std::size_t begin = equals == std::string_view::npos ? 0 : equals + 1;
  std::string value = wire::untangled(text.substr(begin));
  std::string out = with_words(value, wire::find_join_string, [](std::string_view word) {
    Store& all = store();
    const MutexLock lock(all.mutex);
    all.given.push_back({std::string(word)});
    return fmt::format("{}{}", given_prefix, all.given.size() - 1);
  });
  wire::wipe_text(value);
  return std::string(text.substr(0, begin)) + out;
}

bool holds_kept(std::string_view text) {
  return text.find(name_prefix) != std::string_view::npos ||
         text.find(given_prefix) != std::string_view::npos;
}

bool holds_several(std::string_view text) {
  const auto find = [](std::string_view in) {
    return std::min({in.find(name_prefix), in.find(given_prefix), wire::find_join_string(in)});
  };
  const std::size_t first = find(text);
  return first != std::string_view::npos && find(text.substr(first + 1)) != std::string_view::npos;
}

std::string why_not_alone(std::string_view text) {
  if (holds_several(text)) return "two join strings; put each into a file of its own";
  return wire::has_quotes(text) ? "a join string stands alone: remove the quotes"
                                : "a join string stands alone: nothing stands before it, it takes "
                                  "no options, and nothing follows";
}

std::size_t find_set_aside(std::string_view text) { return text.find(given_prefix); }

std::string keep_join_strings(std::string text) {
  const std::string out = with_words(text, wire::find_join_string, keep);
  wire::wipe_text(text);
  return with_words(out, find_set_aside, keep_given);
}

Result<wire::JoinString> decode_join_string(std::string_view text) {
  if (!text.starts_with(name_prefix)) return wire::decode_join_string(text);
  const auto at = number_after(name_prefix, text);
  Store& all = store();
  const MutexLock lock(all.mutex);
  if (!at || *at >= all.kept.size()) {
    return error(why_not_alone(text));
  }
  const wire::JoinString& join = all.kept[*at];
  return wire::JoinString{join.name, join.address, join.pin, SecretBytes(join.key.view())};
}

}  // namespace qanat::sources
