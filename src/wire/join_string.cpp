#include "wire/join_string.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>

#include "crypto/hash.h"

namespace qanat::wire {
namespace {

constexpr std::string_view family = "qanat";
constexpr std::string_view prefix = "qanat1.";
constexpr std::size_t key_bytes = 32;
constexpr std::size_t checksum_bytes = 8;

std::array<std::uint8_t, checksum_bytes> checksum(Bytes payload) {
  const auto digest = crypto::sha256({as_bytes("qanat join string 1"), payload});
  std::array<std::uint8_t, checksum_bytes> out;
  std::copy_n(digest.begin(), checksum_bytes, out.begin());
  return out;
}

void append_text(std::vector<std::uint8_t>& out, std::string_view text) {
  out.push_back(static_cast<std::uint8_t>(text.size()));
  out.insert(out.end(), text.begin(), text.end());
}

// Takes a length byte and that many bytes off the front of `rest`.
std::optional<std::string_view> take_text(Bytes& rest) {
  if (rest.empty() || rest.size() < 1U + rest[0]) return std::nullopt;
  const std::string_view text = as_text(rest.subspan(1, rest[0]));
  rest = rest.subspan(1 + text.size());
  return text;
}

}  // namespace

bool looks_like_join_string(std::string_view text) {
  return text.starts_with(family) && text.size() > family.size() && text[family.size()] >= '0' &&
         text[family.size()] <= '9';
}

std::size_t find_join_string(std::string_view text) {
  for (std::size_t at = text.find(family); at != std::string_view::npos;
       at = text.find(family, at + 1)) {
    const std::string_view here = text.substr(at);
    const std::size_t digits = here.find_first_not_of("0123456789", family.size());
    if (looks_like_join_string(here) && digits != std::string_view::npos && here[digits] == '.') {
      return at;
    }
  }
  return std::string_view::npos;
}

namespace {

constexpr std::string_view blanks = " \t\r\n";
constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
constexpr char quote_mark = '>';
// As keyboards, word processors and chats have them.
constexpr std::array<std::pair<std::string_view, std::string_view>, 8> quotes{{
    {"\"", "\""},
    {"'", "'"},
    {"`", "`"},
    {"“", "”"},
    {"„", "“"},
    {"‘", "’"},
    {"«", "»"},
    {"<", ">"},
}};

std::string_view without_blanks(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
  return text.substr(0, text.find_last_not_of(blanks) + 1);
}

// Whether its checksum is right. There may be no secret memory yet.
bool is_whole(std::string_view text) {
  if (!text.starts_with(prefix)) return false;
  auto payload = from_base64url(text.substr(prefix.size()));
  if (!payload || payload->size() < checksum_bytes) return false;
  const Bytes body = Bytes(*payload).first(payload->size() - checksum_bytes);
  const auto sum = checksum(body);
  const bool right = std::equal(sum.begin(), sum.end(), payload->end() - checksum_bytes);
  wipe(*payload);
  return right;
}

// Without what stands around it in pairs.
std::string_view unwrapped(std::string_view text) {
  if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
  text = without_blanks(text);
  for (const auto& [opening, closing] : quotes) {
    if (text.size() < opening.size() + closing.size() || !text.starts_with(opening) ||
        !text.ends_with(closing)) {
      continue;
    }
    text.remove_prefix(opening.size());
    text.remove_suffix(closing.size());
    return without_blanks(text);
  }
  // As a mail quotes another.
  while (text.starts_with(quote_mark)) text = without_blanks(text.substr(1));
  return text;
}

}  // namespace

bool has_quotes(std::string_view text) {
  return std::any_of(quotes.begin(), quotes.end(), [text](const auto& pair) {
    return text.find(pair.first) != std::string_view::npos ||
           text.find(pair.second) != std::string_view::npos;
  });
}

std::string untangled(std::string_view text) {
  const std::string_view inner = unwrapped(text);
  if (!looks_like_join_string(inner)) return std::string(without_blanks(text));
  const std::string_view word = inner.substr(0, inner.find_first_of(blanks));
  if (is_whole(word)) {
    // Of two, none is the one that was meant.
    const bool alone = find_join_string(inner.substr(word.size())) == std::string_view::npos;
    return std::string(alone ? word : inner);
  }
  // No reallocation may leave a copy behind.
  std::string whole;
  whole.reserve(inner.size());
  for (const char c : inner) {
    if (blanks.find(c) == std::string_view::npos && c != quote_mark) whole += c;
  }
  if (is_whole(whole)) return whole;
  wipe_text(whole);
  return std::string(inner);
}

namespace {

constexpr std::string_view key_letters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::size_t least_of_a_key = 40;  // of 32 bytes, nearly: the last may be lost

// Calls `use(begin, word)` with each longest word of a key's letters.
template <typename Use>
void each_word(std::string_view text, const Use& use) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = std::min(text.find_first_of(key_letters, at), text.size());
    const std::size_t end = std::min(text.find_first_not_of(key_letters, begin), text.size());
    if (begin < end) use(begin, text.substr(begin, end - begin));
    at = end;
  }
}

}  // namespace

std::string without_secrets(std::string_view text) {
  std::string out;
  std::size_t done = 0;
  each_word(text, [&](std::size_t begin, std::string_view word) {
    if (word.size() < least_of_a_key) return;
    out += text.substr(done, begin - done);
    out +=
        fmt::format("{}... ({} letters, perhaps of a join string)", word.substr(0, 4), word.size());
    done = begin + word.size();
  });
  out += text.substr(done);
  return out;
}

void refuse_part_of_key(std::string_view text) {
  if (!holds_part_of_key(text)) return;
  throw Failure(
      "it looks like a part of a join string, which is one word, from 'qanat1.' to its end; a file "
      "of such a name is written ./NAME");
}

bool holds_part_of_key(std::string_view text) {
  bool found = false;
  each_word(text, [&](std::size_t begin, std::string_view word) {
    const auto any = [&](char first, char last) {
      return std::any_of(word.begin(), word.end(), [=](char c) { return c >= first && c <= last; });
    };
    const bool in_path =
        begin > 0 && text[begin - 1] == '/' && (begin < 2 || text[begin - 2] != '/');
    found = found || (!in_path && word.size() >= least_of_a_key && any('A', 'Z') && any('a', 'z') &&
                      any('0', '9'));
  });
  return found;
}

void wipe_text(std::string& text) {
  wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
  text.clear();
}

std::string encode(const JoinString& join) {
  std::vector<std::uint8_t> payload;
  payload.reserve(512);  // no reallocation may leave a copy of the key behind
  append_text(payload, join.name);
  append_text(payload, join.address.text());
  payload.insert(payload.end(), join.pin.begin(), join.pin.end());
  payload.insert(payload.end(), join.key.view().begin(), join.key.view().end());
  const auto sum = checksum(payload);
  payload.insert(payload.end(), sum.begin(), sum.end());
  std::string text = std::string(prefix) + to_base64url(payload);
  wipe(payload);
  return text;
}

Result<JoinString> decode_join_string(std::string_view text) {
  if (!looks_like_join_string(text)) {
    return error("not a join string: those begin with 'qanat1.' and come from 'qanat invite'");
  }
  if (!text.starts_with(prefix)) {
    return error(fmt::format("a join string of another version ('{}'): this program knows '{}'",
                             text.substr(0, text.find('.')).substr(0, 16), prefix));
  }
  if (has_quotes(text)) return error("a join string has no quotes in it: remove the quotes");
  auto payload = from_base64url(text.substr(prefix.size()));
  if (!payload || payload->size() < checksum_bytes) {
    return error("a damaged join string: characters are missing or altered; copy all of it again");
  }
  const Bytes body = Bytes(*payload).first(payload->size() - checksum_bytes);
  const Bytes sum = Bytes(*payload).last(checksum_bytes);
  const bool intact = equal_constant_time(sum, checksum(body));
  JoinString join;
  Bytes rest = body;
  const auto name = take_text(rest);
  const auto address_text = name ? take_text(rest) : std::nullopt;
  const bool whole = intact && address_text && rest.size() == join.pin.size() + key_bytes;
  Result<spec::Address> address = error("");
  if (whole) {
    join.name = *name;
    address = spec::parse_address(*address_text);
    std::copy_n(rest.begin(), join.pin.size(), join.pin.begin());
    join.key = SecretBytes(rest.last(key_bytes));
  }
  wipe(*payload);
  if (!whole || !address) {
    return error(
        "a damaged join string: its checksum does not match, so it was cut or altered; copy all "
        "of it again");
  }
  join.address = *address;
  return join;
}

}  // namespace qanat::wire
