// The cookies of one hub, kept over a restart. docs/trickle.md, The client.
#pragma once

#include <sys/socket.h>

#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "crypto/certificate.h"
#include "wire/trickle.h"

namespace qanat::peers {

// Seconds since 1970, as the machine has them. Nothing here trusts them but to be roughly right: a
// cookie that is too old costs some datagrams, and then a session.
using UnixTime = std::uint64_t;

// Up to eight cookies with their keys, and where they are good. In a file of mode 0600 that several
// processes may share, or, without a path or where it cannot be written, in secret memory alone. A
// cookie is overwritten in the file before it is given out. One that a power cut brings back is
// spent twice, which harms nobody: no nonce is the client's, and each answer has its own bytes.
//
// One thread at a time.
class CookieJar {
 public:
  static constexpr std::size_t places = 8;

  struct Server {
    sockaddr_storage address{};  // IPv4 or IPv6
    crypto::Pin key{};           // of the TLS session from which the cookies come
    UnixTime lifetime = 0;       // of a cookie, seconds
  };

  explicit CookieJar(std::string path);

  // Where they are good; nullopt before the first session.
  std::optional<Server> server();
  // Those that are not too old.
  std::size_t count(UnixTime now);
  // The newest of them, which from now on is the caller's.
  std::optional<wire::trickle::KeyedCookie> take(UnixTime now);
  // In place of the oldest, where there is no room.
  void put(const std::vector<wire::trickle::KeyedCookie>& cookies, UnixTime now);
  // A new session: what was here before is overwritten.
  void restart(const Server& server, const std::vector<wire::trickle::KeyedCookie>& cookies,
               UnixTime now);
  // Datagrams do not get through: no cookies, and no new session before `until`.
  void fall_silent(UnixTime until);
  bool silent(UnixTime now);

  // The file's content, and back; false, and an empty jar, for what is none. Total.
  static constexpr std::size_t image_bytes = 128 + places * 224;
  bool load(Bytes image);
  Bytes image() const { return image_.view(); }

 private:
  class Opened;

  MutableBytes header() { return image_.view().first(128); }
  MutableBytes place(std::size_t i) { return image_.view().subspan(128 + i * 224, 224); }
  bool usable(std::size_t i, UnixTime now);
  void fill(std::size_t i, const wire::trickle::KeyedCookie& cookie, UnixTime now);
  void clear();
  void seal_header();

  const std::string path_;
  bool memory_only_ = false;  // once the file has failed
  SecretBytes image_;
};

}  // namespace qanat::peers
