#include "sources/kept_join_strings.h"

#include <fmt/format.h>

#include <charconv>
#include <deque>

#include "base/mutex.h"

namespace qanat::sources {
namespace {

constexpr std::string_view name_prefix = "qanat1-kept.";
// Of a join string's own.
constexpr std::string_view letters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";

struct Store {
  Mutex mutex;
  std::deque<wire::JoinString> kept GUARDED_BY(mutex);
};

Store& store() {
  static Store only;
  return only;
}

bool same(const wire::JoinString& one, const wire::JoinString& other) {
  return one.name == other.name && one.address.text() == other.address.text() &&
         one.pin == other.pin && equal_constant_time(one.key.view(), other.key.view());
}

std::string name_of(wire::JoinString join) {
  Store& all = store();
  const MutexLock lock(all.mutex);
  std::size_t at = 0;
  while (at < all.kept.size() && !same(all.kept[at], join)) ++at;
  if (at == all.kept.size()) all.kept.push_back(std::move(join));
  return fmt::format("{}{}", name_prefix, at);
}

}  // namespace

std::string keep_join_strings(std::string text) {
  std::string out;
  std::string_view rest = text;
  for (;;) {
    const std::size_t at = std::min(wire::find_join_string(rest), rest.size());
    out += rest.substr(0, at);
    rest.remove_prefix(at);
    if (rest.empty()) break;
    const std::string_view candidate =
        rest.substr(0, std::min(rest.find_first_not_of(letters), rest.size()));
    auto join = wire::decode_join_string(candidate);
    out += join ? name_of(std::move(*join)) : std::string(candidate);
    rest.remove_prefix(candidate.size());
  }
  wire::wipe_text(text);
  return out;
}

Result<wire::JoinString> decode_join_string(std::string_view text) {
  if (!text.starts_with(name_prefix)) return wire::decode_join_string(text);
  std::size_t at = 0;
  const std::string_view number = text.substr(name_prefix.size());
  const auto [end, problem] = std::from_chars(number.data(), number.data() + number.size(), at);
  Store& all = store();
  const MutexLock lock(all.mutex);
  if (problem != std::errc() || end != number.data() + number.size() || at >= all.kept.size()) {
    return error("'qanat1-kept' is a name within this program; write the join string itself");
  }
  const wire::JoinString& join = all.kept[at];
  return wire::JoinString{join.name, join.address, join.pin, SecretBytes(join.key.view())};
}

}  // namespace qanat::sources
