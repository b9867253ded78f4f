#include "peers/cookie_jar.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/log.h"
#include "crypto/blake2b.h"

namespace qanat::peers {

namespace trickle = wire::trickle;

namespace {

// The header: mark (16) | server key (32) | family (1) | zero (1) | port (2) | scope (4) | address
// (16) | lifetime (8) | silent until (8) | zeros | check (8). Numbers are big-endian. A file is the
// machine's own: it is never carried to another.
constexpr std::string_view mark = "qanat cookies 1\n";
constexpr std::size_t at_key = 16;
constexpr std::size_t at_family = 48;
constexpr std::size_t at_port = 50;
constexpr std::size_t at_scope = 52;
constexpr std::size_t at_address = 56;
constexpr std::size_t at_lifetime = 72;
constexpr std::size_t at_silent = 80;
constexpr std::size_t header_check = 8;
// A place: received (8) | keys (64) | cookie (128) | zeros (8) | check (16); all zero when empty.
constexpr std::size_t at_keys = 8;
constexpr std::size_t at_cookie = at_keys + trickle::keys_bytes;
constexpr std::size_t place_check = 16;
// A server cannot make us keep what is older.
constexpr UnixTime most_lifetime = 86400;

void put_number(MutableBytes out, std::uint64_t value) {
  for (std::size_t i = out.size(); i > 0; --i, value >>= 8) {
    out[i - 1] = static_cast<std::uint8_t>(value);
  }
}
std::uint64_t get_number(Bytes in) {
  std::uint64_t value = 0;
  for (const std::uint8_t byte : in) value = value << 8 | byte;
  return value;
}

// The last bytes of a record tell whether it was written whole.
template <std::size_t size>
std::array<std::uint8_t, size> check_of(Bytes record) {
  std::array<std::uint8_t, 16> digest;
  crypto::blake2b({}, {record.first(record.size() - size)}, digest);
  std::array<std::uint8_t, size> check;
  std::copy_n(digest.begin(), size, check.begin());
  return check;
}
template <std::size_t size>
bool whole(Bytes record) {
  return equal_constant_time(check_of<size>(record), record.last(size));
}
template <std::size_t size>
void seal(MutableBytes record) {
  const auto check = check_of<size>(record);
  std::copy(check.begin(), check.end(), record.end() - size);
}

}  // namespace

// The jar's file, locked, its content in `image_`; without a path, or where there is no file to be
// had, nothing.
class CookieJar::Opened {
 public:
  explicit Opened(CookieJar& jar) : jar_(jar) {
    if (jar.path_.empty() || jar.memory_only_) return;
    fd_ = UniqueFd(::open(jar.path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    struct stat info {};
    if (!fd_ || ::flock(fd_.get(), LOCK_EX) != 0 || ::fstat(fd_.get(), &info) != 0) {
      give_up("cannot open");
    } else if ((info.st_mode & 077) != 0) {
      errno = EPERM;
      give_up("others can read");
    } else {
      SecretBytes content(image_bytes);
      const ssize_t n = ::pread(fd_.get(), content.view().data(), image_bytes, 0);
      const bool loaded = jar.load(content.view().first(n > 0 ? static_cast<std::size_t>(n) : 0));
      if (!loaded && n > 0) {
        log_warning("{} is damaged: its cookies are not used, and a new session fills it anew",
                    jar.path_);
        write();
      }
    }
  }
  // Writes what has changed.
  void write(Bytes part) {
    if (!fd_) return;
    const auto at = static_cast<off_t>(part.data() - jar_.image_.view().data());
    if (::pwrite(fd_.get(), part.data(), part.size(), at) != static_cast<ssize_t>(part.size())) {
      give_up("cannot write");
    }
  }
  void write() { write(jar_.image_.view()); }

 private:
  void give_up(const char* what) {
    fd_.reset();
    jar_.memory_only_ = true;
    log_warning("{}; cookies are kept in memory, and the next start begins with TLS",
                with_errno(std::string(what) + " " + jar_.path_, errno));
  }

  CookieJar& jar_;
  UniqueFd fd_;
};

CookieJar::CookieJar(std::string path) : path_(std::move(path)), image_(image_bytes) { clear(); }

void CookieJar::clear() {
  wipe(image_.view());
  std::copy(mark.begin(), mark.end(), image_.view().begin());
  seal_header();
}

void CookieJar::seal_header() { seal<header_check>(header()); }

bool CookieJar::load(Bytes image) {
  clear();
  if (image.size() != image_bytes || !as_text(image).starts_with(mark) ||
      !whole<header_check>(image.first(128))) {
    return false;
  }
  std::copy(image.begin(), image.end(), image_.view().begin());
  for (std::size_t i = 0; i < places; ++i) {
    if (!whole<place_check>(place(i))) wipe(place(i));
  }
  return true;
}

std::optional<CookieJar::Server> CookieJar::server() {
  const Opened opened(*this);
  Server server;
  std::copy_n(header().begin() + at_key, server.key.size(), server.key.begin());
  server.lifetime = std::min(get_number(header().subspan(at_lifetime, 8)), most_lifetime);
  const auto port = static_cast<in_port_t>(get_number(header().subspan(at_port, 2)));
  const auto scope = static_cast<std::uint32_t>(get_number(header().subspan(at_scope, 4)));
  const std::uint8_t* const address = header().data() + at_address;
  if (header()[at_family] == 4) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    std::memcpy(&in.sin_addr, address, sizeof in.sin_addr);
    std::memcpy(&server.address, &in, sizeof in);
  } else if (header()[at_family] == 6) {
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(port);
    in.sin6_scope_id = scope;
    std::memcpy(&in.sin6_addr, address, sizeof in.sin6_addr);
    std::memcpy(&server.address, &in, sizeof in);
  } else {
    return std::nullopt;
  }
  return server;
}

bool CookieJar::usable(std::size_t i, UnixTime now) {
  const UnixTime received = get_number(place(i).first(8));
  if (received == 0) return false;
  const UnixTime lifetime = std::min(get_number(header().subspan(at_lifetime, 8)), most_lifetime);
  // Of the future: the clock is wrong now or was then, as on machines without a battery. It may do.
  return received > now || now - received <= lifetime;
}

std::size_t CookieJar::count(UnixTime now) {
  const Opened opened(*this);
  std::size_t count = 0;
  for (std::size_t i = 0; i < places; ++i) count += usable(i, now) ? 1U : 0U;
  return count;
}

std::optional<trickle::KeyedCookie> CookieJar::take(UnixTime now) {
  Opened opened(*this);
  std::optional<std::size_t> newest;
  for (std::size_t i = 0; i < places; ++i) {
    if (usable(i, now) &&
        (!newest || get_number(place(i).first(8)) > get_number(place(*newest).first(8)))) {
      newest = i;
    }
  }
  if (!newest) return std::nullopt;
  const MutableBytes from = place(*newest);
  trickle::KeyedCookie taken{{},
                             SecretBytes(Bytes(from.subspan(at_keys, trickle::keys_bytes))),
                             get_number(from.first(8))};
  std::copy_n(from.begin() + at_cookie, trickle::cookie_bytes, taken.cookie.begin());
  wipe(from);
  opened.write(from);
  return taken;
}

void CookieJar::fill(std::size_t i, const trickle::KeyedCookie& cookie, UnixTime now) {
  const MutableBytes to = place(i);
  wipe(to);
  put_number(to.first(8), cookie.received > 0 ? cookie.received : std::max<UnixTime>(now, 1));
  std::copy_n(cookie.keys.view().begin(), trickle::keys_bytes, to.begin() + at_keys);
  std::copy(cookie.cookie.begin(), cookie.cookie.end(), to.begin() + at_cookie);
  seal<place_check>(to);
}

void CookieJar::put(const std::vector<trickle::KeyedCookie>& cookies, UnixTime now) {
  Opened opened(*this);
  for (const trickle::KeyedCookie& cookie : cookies) {
    std::size_t oldest = 0;
    for (std::size_t i = 1; i < places; ++i) {
      if (get_number(place(i).first(8)) < get_number(place(oldest).first(8))) oldest = i;
    }
    fill(oldest, cookie, now);
    opened.write(place(oldest));
  }
}

void CookieJar::restart(const Server& server, const std::vector<trickle::KeyedCookie>& cookies,
                        UnixTime now) {
  Opened opened(*this);
  clear();
  std::copy(server.key.begin(), server.key.end(), header().begin() + at_key);
  const MutableBytes address = header().subspan(at_address, 16);
  if (server.address.ss_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &server.address, sizeof in);
    header()[at_family] = 4;
    put_number(header().subspan(at_port, 2), ntohs(in.sin_port));
    std::memcpy(address.data(), &in.sin_addr, sizeof in.sin_addr);
  } else if (server.address.ss_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, &server.address, sizeof in);
    header()[at_family] = 6;
    put_number(header().subspan(at_port, 2), ntohs(in.sin6_port));
    put_number(header().subspan(at_scope, 4), in.sin6_scope_id);
    std::memcpy(address.data(), &in.sin6_addr, sizeof in.sin6_addr);
  }
  put_number(header().subspan(at_lifetime, 8), server.lifetime);
  seal_header();
  for (std::size_t i = 0; i < std::min(cookies.size(), places); ++i) fill(i, cookies[i], now);
  opened.write();
}

void CookieJar::fall_silent(UnixTime until) {
  Opened opened(*this);
  clear();
  put_number(header().subspan(at_silent, 8), until);
  seal_header();
  opened.write();
}

bool CookieJar::silent(UnixTime now) {
  const Opened opened(*this);
  const UnixTime until = get_number(header().subspan(at_silent, 8));
  // A clock that was set back by more than that does not make it last longer.
  constexpr UnixTime longest = 3600;
  return now < until && until - now <= longest;
}

}  // namespace qanat::peers
