#include "wire/xenstore.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "base/quantity.h"

namespace qanat::wire::xenstore {

namespace {

// xs_wire.h (xsd_errors), and oxenstored's own.
constexpr std::array<std::string_view, 17> refusals{
    "EINVAL", "EACCES", "EEXIST", "EISDIR", "ENOENT", "ENOMEM",  "ENOSPC", "EIO",   "ENOTEMPTY",
    "ENOSYS", "EROFS",  "EBUSY",  "EAGAIN", "E2BIG",  "EISCONN", "EPERM",  "EQUOTA"};

constexpr std::string_view of_drbg = " drbg";  // behind a generation's id
constexpr std::string_view space = " \t\r\n";
// Of a path that is relative (xs.h, XENSTORE_REL_PATH_MAX): our suffixes must have room in it.
constexpr std::size_t most_path = 2048 - 32;

// Of the machine that both run on, which is always a little-endian one.
std::uint32_t word_at(Bytes in, std::size_t index) {
  std::uint32_t word = 0;
  for (std::size_t byte = 4; byte-- > 0;) word = word << 8 | in[4 * index + byte];
  return word;
}

void put_word(MutableBytes out, std::size_t index, std::uint32_t word) {
  for (std::size_t byte = 0; byte < 4; ++byte, word >>= 8) {
    out[4 * index + byte] = static_cast<std::uint8_t>(word);
  }
}

bool is_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '@';
  });
}

}  // namespace

Status decode(Bytes in, Message& out, std::size_t& used) {
  if (in.size() < header_bytes) return Status::incomplete;
  const std::size_t length = word_at(in, 3);
  if (length > most_payload) return Status::malformed;
  if (in.size() < header_bytes + length) return Status::incomplete;
  out = {static_cast<Kind>(word_at(in, 0)), word_at(in, 1), word_at(in, 2),
         in.subspan(header_bytes, length)};
  used = header_bytes + length;
  return Status::complete;
}

std::size_t encode(const Message& head, std::span<const Bytes> payload, MutableBytes out) {
  std::size_t length = 0;
  for (const Bytes part : payload) {
    if (part.size() > most_payload - length) return 0;
    std::copy(part.begin(), part.end(),
              out.begin() + static_cast<std::ptrdiff_t>(header_bytes + length));
    length += part.size();
  }
  put_word(out, 0, static_cast<std::uint32_t>(head.kind));
  put_word(out, 1, head.request);
  put_word(out, 2, head.transaction);
  put_word(out, 3, static_cast<std::uint32_t>(length));
  return header_bytes + length;
}

std::string_view take_string(Bytes& payload) {
  const auto end = std::find(payload.begin(), payload.end(), 0);
  const auto size = static_cast<std::size_t>(end - payload.begin());
  const std::string_view text = as_text(payload.first(size));
  payload = payload.subspan(std::min(size + 1, payload.size()));
  return text;
}

std::optional<Event> decode_event(Bytes payload) {
  if (std::count(payload.begin(), payload.end(), 0) < 2) return std::nullopt;
  Event event;
  event.path = take_string(payload);
  event.token = take_string(payload);
  return event;
}

std::string_view refusal_of(Bytes payload) {
  const auto* const known = std::find(refusals.begin(), refusals.end(), take_string(payload));
  return known == refusals.end() ? "other" : *known;
}

std::optional<std::uint32_t> transaction_of(Bytes payload) {
  const auto id = parse_number<std::uint32_t>(take_string(payload));
  return id.value_or(0) == 0 ? std::nullopt : id;
}

std::optional<DirectoryPart> decode_directory_part(Bytes payload) {
  DirectoryPart part;
  part.generation = take_string(payload);
  if (part.generation.empty() || payload.empty() || payload.back() != 0) return std::nullopt;
  // No name is empty: one that is marks the end.
  part.last = payload.size() == 1 || payload[payload.size() - 2] == 0;
  part.names = part.last ? payload.first(payload.size() - 1) : payload;
  return part;
}

std::string permissions_for(unsigned domain, char right) {
  return fmt::format("n0{}{}{}{}", '\0', right, domain, '\0');
}

std::optional<std::size_t> read_seed(std::string_view text, MutableBytes out) {
  const auto begin = text.find_first_not_of(space);
  if (begin == std::string_view::npos) return std::nullopt;
  text = text.substr(begin, text.find_last_not_of(space) + 1 - begin);
  const std::size_t size = text.size() / 2;
  if (size < least_seed || size > most_seed || !read_hex(text, out.first(size))) {
    return std::nullopt;
  }
  return size;
}

std::string generation_path(std::string_view path) { return std::string(path) + "-generation"; }

std::string to_text(const Generation& generation) {
  return std::string(generation.id) + std::string(generation.full ? "" : of_drbg);
}

Generation read_generation(std::string_view text) {
  const bool full = !text.ends_with(of_drbg);
  if (!full) text.remove_suffix(of_drbg.size());
  return {text.substr(0, 2 * generation_id_bytes), full};
}

bool is_path(std::string_view path, bool star) {
  if (path.empty() || path.size() > most_path) return false;
  if (path.front() == '/') path.remove_prefix(1);
  for (;;) {
    const auto slash = path.find('/');
    const std::string_view name = path.substr(0, slash);
    if (!is_name(name) && !(star && name == "*")) return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

}  // namespace qanat::wire::xenstore
