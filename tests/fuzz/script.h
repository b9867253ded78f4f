// What fuzz targets of whole outlets and whole sources are driven by: a peer's script.
//
// A byte is said as it is, but for 0xff, which begins an order:
//   ff ff            the byte 0xff
//   ff 'r' n n byte  the byte, so many times (16 bits, the high byte first)
//   ff 'p'           a pause: what the other side says meanwhile is read
//   ff 'l' n         reads 16 * n bytes at most
//   ff 'h'           ends its half of the connection
//   ff 'x'           a reset, and another connection
//   ff ...           what the protocol knows (see the target); otherwise nothing
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/log.h"
#include "fuzz.h"

namespace qanat::fuzz {

using Said = std::vector<std::uint8_t>;

class Script {
 public:
  explicit Script(Bytes bytes) : left_(bytes) {}
  bool over() const { return left_.empty(); }
  // 0 once it is over.
  std::uint8_t byte() {
    if (left_.empty()) return 0;
    const std::uint8_t first = left_.front();
    left_ = left_.subspan(1);
    return first;
  }
  std::size_t number() {
    const std::size_t high = byte();
    return high << 8 | byte();
  }
  Bytes bytes(std::size_t most) {
    const Bytes taken = left_.first(std::min(most, left_.size()));
    left_ = left_.subspan(taken.size());
    return taken;
  }
  // Adds what is to be said to `out`, up to the next order that is none of saying something: its
  // letter, or 0 at the end.
  std::uint8_t say(Said& out) {
    while (!over()) {
      const std::uint8_t first = byte();
      if (first != 0xff) {
        out.push_back(first);
        continue;
      }
      const std::uint8_t order = byte();
      if (order == 0xff) {
        out.push_back(order);
      } else if (order == 'r') {
        const std::size_t times = number();
        out.insert(out.end(), times, byte());
      } else {
        return order;
      }
    }
    return 0;
  }

 private:
  Bytes left_;
};

// What an input is: a letter that names who is driven, and a script. Nothing for a letter that is
// none of `kinds`.
struct Input {
  std::uint8_t kind = 0;
  Script script;
};
inline std::optional<Input> read_input(const std::uint8_t* data, std::size_t size,
                                       std::string_view kinds) {
  const std::string_view all = text_of(data, size);
  if (all.empty() || kinds.find(all.front()) == std::string_view::npos) return std::nullopt;
  set_log_level(LogLevel::error);
  Script script(as_bytes(all));
  const std::uint8_t kind = script.byte();
  return Input{kind, script};
}

// Changes bytes of `out` as the script says: how many, then of each the place (16 bits) and what
// is XORed there. Whether anything has changed.
inline bool spoil(Script& script, MutableBytes out) {
  const Said before(out.begin(), out.end());
  for (int left = script.byte() % 8; left > 0 && !out.empty(); --left) {
    const std::size_t place = script.number() % out.size();
    out[place] ^= script.byte();
  }
  return !std::equal(out.begin(), out.end(), before.begin());
}

inline void append(Said& out, Bytes bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

// A directory for as long as the process runs.
class Directory {
 public:
  Directory() {
    std::string pattern = std::filesystem::temp_directory_path() / "qanat-fuzz-XXXXXX";
    path_ = ::mkdtemp(pattern.data());
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory() { std::filesystem::remove_all(path_); }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }
  // A file that nobody else may read.
  void write(std::string_view name, std::string_view text) const {
    namespace fs = std::filesystem;
    const std::string file = *this / name;
    std::ofstream(file) << text;
    fs::permissions(file, fs::perms::owner_read | fs::perms::owner_write);
  }

 private:
  std::string path_;
};

inline bool wait_ready(int fd, short what, int milliseconds) {
  pollfd ready{fd, what, 0};
  return ::poll(&ready, 1, milliseconds) == 1;
}

// Sends as much as the other side takes within a moment. False once it has hung up.
inline bool send_some(int fd, Bytes bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN && wait_ready(fd, POLLOUT, 5)) {
      continue;
    } else {
      return errno == EAGAIN;
    }
  }
  return true;
}

// Adds what is there to `heard`, `most` bytes at most; false at the end of the stream.
inline bool receive_some(int fd, Said& heard, std::size_t most) {
  std::uint8_t piece[4096];
  while (most > 0) {
    const ssize_t got = ::recv(fd, piece, std::min(most, sizeof piece), MSG_DONTWAIT);
    if (got == 0) return false;
    if (got < 0) return errno == EAGAIN;
    heard.insert(heard.end(), piece, piece + got);
    most -= static_cast<std::size_t>(got);
  }
  return true;
}

// Closes with a reset: no port is kept waiting.
inline void reset(UniqueFd& fd) {
  const linger now{1, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  fd.reset();
}

}  // namespace qanat::fuzz
