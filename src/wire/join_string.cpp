#include "wire/join_string.h"

#include <fmt/core.h>

#include <algorithm>

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

std::string without_secrets(std::string_view text) {
  constexpr std::string_view letters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  constexpr std::size_t key_letters = 40;  // of 32 bytes, nearly: the last may be lost
  std::string out;
  while (!text.empty()) {
    const std::size_t begin = std::min(text.find_first_of(letters), text.size());
    out += text.substr(0, begin);
    text.remove_prefix(begin);
    const std::string_view word =
        text.substr(0, std::min(text.find_first_not_of(letters), text.size()));
    out += word.size() < key_letters ? std::string(word)
                                     : fmt::format("{}... ({} letters, perhaps of a join string)",
                                                   word.substr(0, 4), word.size());
    text.remove_prefix(word.size());
  }
  return out;
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
