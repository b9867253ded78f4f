// The protocol of Xen's xenstored, a tree of short texts, and what of it we keep there: seeds of
// guests. docs/protocols/xenstore.md.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "wire/status.h"

namespace qanat::wire::xenstore {

inline constexpr std::size_t header_bytes = 16;
inline constexpr std::size_t most_payload = 4096;
inline constexpr std::size_t most_message = header_bytes + most_payload;
// Where each has a directory, by its id.
inline constexpr std::string_view domains = "/local/domain";
// A guest's id: 0 is the host's own domain, and what is higher than these is Xen's.
inline constexpr unsigned most_domain = 0x7fef;

// Those that we use; any other number may stand in a header.
enum class Kind : std::uint32_t {
  directory = 1,
  read = 2,
  watch = 4,
  unwatch = 5,
  begin = 6,  // a transaction: others see all of it, or nothing
  end = 7,
  write = 11,
  mkdir = 12,
  remove = 13,
  set_permissions = 14,
  event = 15,  // may stand between a request and its reply
  error = 16,
  directory_part = 22,
};

struct Message {
  Kind kind = Kind::error;
  std::uint32_t request = 0;      // the client's number; it comes back with the reply
  std::uint32_t transaction = 0;  // 0: none
  Bytes payload;                  // points into what was decoded
};

// The message at the beginning of `in`, which took `used` bytes. Malformed: longer than
// most_payload. Total.
Status decode(Bytes in, Message& out, std::size_t& used);
// Into `out`, of most_message bytes: how many they are; 0 for a payload (its parts, one after the
// other) that is too long.
std::size_t encode(const Message& head, std::span<const Bytes> payload, MutableBytes out);

// The string at the beginning of `payload`, which ends with a NUL or with the payload; it and its
// NUL are cut off.
std::string_view take_string(Bytes& payload);

struct Event {
  std::string_view path;   // what has changed, or what is below it
  std::string_view token;  // the watcher's
};
std::optional<Event> decode_event(Bytes payload);
// Why a request was refused: xenstored's name for it ("EACCES"), or "other" for one that it has
// none. Of static storage.
std::string_view refusal_of(Bytes payload);
// Of the reply to Kind::begin.
std::optional<std::uint32_t> transaction_of(Bytes payload);

// A part of a long directory's names, which begins at a given offset.
struct DirectoryPart {
  std::string_view generation;  // of the directory: parts of another do not fit together
  Bytes names;                  // strings; the next part begins behind so many bytes
  bool last = false;
};
std::optional<DirectoryPart> decode_directory_part(Bytes payload);

// Owned by the host, and for nobody else but the guest: 'r' reads, 'b' reads and writes.
std::string permissions_for(unsigned domain, char right);

// A seed is written as hex digits, two a byte.
inline constexpr std::size_t least_seed = 16;
inline constexpr std::size_t most_seed = 64;
// Whether `text` is a seed, white space around it aside; then its bytes, in `out` of most_seed.
std::optional<std::size_t> read_seed(std::string_view text, MutableBytes out);

// Beside the seed at PATH: what changes when the guest has begun anew, or is a copy; and what grade
// its seed is of.
struct Generation {
  std::string_view id;
  bool full = true;
};
inline constexpr std::size_t generation_id_bytes = 8;  // as hex digits
std::string generation_path(std::string_view path);
std::string to_text(const Generation& generation);
// Of anybody's text; the id, as long as it may be, points into it.
Generation read_generation(std::string_view text);

// Absolute, or below the domain's own directory: slashes between names of letters, digits and
// -_@, shorter than xenstored's limit. `star`: one of the names may be "*".
bool is_path(std::string_view path, bool star = false);

}  // namespace qanat::wire::xenstore
