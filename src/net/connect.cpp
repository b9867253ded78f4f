#include "net/connect.h"

#include <fmt/core.h>
#include <linux/vm_sockets.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace qanat::net {
namespace {

// 0, an errno value, or -1 when woken.
int finish_connect(int fd, const Waker& waker, Duration timeout) {
  switch (wait_for(fd, POLLOUT, waker, timeout)) {
    case Wake::woken:
      return -1;
    case Wake::timeout:
      return ETIMEDOUT;
    case Wake::ready:
      break;
  }
  int problem = 0;
  socklen_t size = sizeof problem;
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &size);
  return problem;
}

// A peer whose machine has gone without a word is noticed within a minute and a half, whether we
// listen (probes) or have sent something.
void notice_lost_peer(int fd) {
  const int one = 1;
  const int idle_seconds = 30;
  const int probe_seconds = 15;
  const int probes = 4;
  const unsigned unanswered_ms = 60'000;
  ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_seconds, sizeof idle_seconds);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &probe_seconds, sizeof probe_seconds);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
  ::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unanswered_ms, sizeof unanswered_ms);
}

using AddressList = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

Result<AddressList> resolve(const spec::Address& address, int type) {
  addrinfo hints{};
  hints.ai_socktype = type;
  // Not AI_ADDRCONFIG, which forgets that loopback has addresses: what cannot be reached is passed
  // over soon enough.
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* raw = nullptr;
  const int problem =
      ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &raw);
  if (problem != 0) {
    return error(fmt::format("cannot find {}: {}", address.host, ::gai_strerror(problem)));
  }
  return AddressList(raw, ::freeaddrinfo);
}

// What a look-up on another thread and whoever waits for it have in common; it may outlive him.
struct LookUp {
  Waker done;
  std::mutex mutex;
  std::optional<Result<AddressList>> result;
};

// The resolver waits for as long as its configuration says, and nothing ends it: whoever has no
// more time, or is told to stop, leaves it behind.
Result<AddressList> resolve(const spec::Address& address, int type, const Waker& waker,
                            Duration timeout) {
  // Of those that were left behind.
  constexpr int most_lookups = 64;
  static std::atomic<int> lookups{0};
  addrinfo hints{};
  hints.ai_socktype = type;
  hints.ai_flags = AI_NUMERICSERV | AI_NUMERICHOST;
  addrinfo* raw = nullptr;
  if (::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &raw) ==
      0) {
    return AddressList(raw, ::freeaddrinfo);
  }
  if (lookups.load() >= most_lookups) {
    return error(fmt::format("cannot find {}: {} names are being looked up, and none is found",
                             address.host, most_lookups));
  }
  auto look_up = std::make_shared<LookUp>();
  ++lookups;
  try {
    std::thread([look_up, address, type] {
      auto found = resolve(address, type);
      {
        const std::scoped_lock lock(look_up->mutex);
        look_up->result.emplace(std::move(found));
      }
      look_up->done.wake();
      --lookups;
    }).detach();
  } catch (...) {
    --lookups;
    throw;
  }
  const Wake wake = wait_for(look_up->done.fd(), POLLIN, waker, timeout);
  if (wake == Wake::woken) return interrupted();
  const std::scoped_lock lock(look_up->mutex);
  if (!look_up->result) {
    return error(fmt::format("cannot find {}: no name server answers", address.host));
  }
  return std::move(*look_up->result);
}

// The families take turns, so that one that leads nowhere holds up nothing (RFC 8305, section 4).
std::vector<const addrinfo*> in_turn(const addrinfo* list) {
  std::vector<const addrinfo*> rest;
  for (const addrinfo* at = list; at != nullptr; at = at->ai_next) rest.push_back(at);
  std::vector<const addrinfo*> sorted;
  while (!rest.empty()) {
    const auto other = std::find_if(rest.begin(), rest.end(), [&](const addrinfo* at) {
      return sorted.empty() || at->ai_family != sorted.back()->ai_family;
    });
    const auto next = other == rest.end() ? rest.begin() : other;
    sorted.push_back(*next);
    rest.erase(next);
  }
  return sorted;
}

// "192.0.2.1", "::1".
std::string numeric(const addrinfo* at) {
  std::array<char, NI_MAXHOST> text{};
  ::getnameinfo(at->ai_addr, at->ai_addrlen, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST);
  return text.data();
}

// Attempts to connect side by side, of which the first to succeed wins.
class Race {
 public:
  Race(const spec::Address& address, std::vector<const addrinfo*> candidates, const Waker& waker,
       Duration timeout)
      : address_(address), candidates_(std::move(candidates)), waker_(waker), timeout_(timeout) {}

  Result<UniqueFd> run() {
    const TimePoint end = std::chrono::steady_clock::now() + timeout_;
    TimePoint next_start{};
    for (;;) {
      const TimePoint now = std::chrono::steady_clock::now();
      if (now >= end) return lost(ETIMEDOUT);
      if (started_ < candidates_.size() && (running_.empty() || now >= next_start)) {
        if (auto fd = begin(candidates_[started_++])) return std::move(*fd);
        next_start = now + head_start;
        continue;
      }
      if (running_.empty()) return lost(EADDRNOTAVAIL);
      const bool more = started_ < candidates_.size();
      if (wait((more ? std::min(next_start, end) : end) - now)) return interrupted();
      if (auto fd = winner()) return std::move(*fd);
    }
  }

 private:
  struct Attempt {
    const addrinfo* at;
    UniqueFd fd;
  };

  // A socket when it is connected at once.
  std::optional<UniqueFd> begin(const addrinfo* at) {
    UniqueFd fd(::socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) {
      failed(at, errno);
      return std::nullopt;
    }
    const int one = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    notice_lost_peer(fd.get());
    if (::connect(fd.get(), at->ai_addr, at->ai_addrlen) == 0) return fd;
    if (errno == EINPROGRESS) {
      running_.push_back({at, std::move(fd)});
    } else {
      failed(at, errno);
    }
    return std::nullopt;
  }

  // True when the waker was woken.
  bool wait(Duration limit) const {
    std::vector<pollfd> polled{{waker_.fd(), POLLIN, 0}};
    for (const Attempt& attempt : running_) polled.push_back({attempt.fd.get(), POLLOUT, 0});
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(limit).count();
    ::poll(polled.data(), polled.size(),
           static_cast<int>(std::clamp<std::int64_t>(ms, 0, 1 << 30)));
    return (polled[0].revents & POLLIN) != 0;
  }

  std::optional<UniqueFd> winner() {
    for (auto it = running_.begin(); it != running_.end();) {
      pollfd polled{it->fd.get(), POLLOUT, 0};
      if (::poll(&polled, 1, 0) <= 0) {
        ++it;
        continue;
      }
      int problem = 0;
      socklen_t size = sizeof problem;
      ::getsockopt(it->fd.get(), SOL_SOCKET, SO_ERROR, &problem, &size);
      if (problem == 0) return std::move(it->fd);
      failed(it->at, problem);
      it = running_.erase(it);
    }
    return std::nullopt;
  }

  void failed(const addrinfo* at, int problem) {
    last_ = problem;
    if (!tried_.empty()) tried_ += "; ";
    tried_ += with_errno(numeric(at), problem);
  }

  tl::unexpected<Error> lost(int problem) {
    for (const Attempt& attempt : running_) failed(attempt.at, problem);
    const std::string what = "cannot reach " + address_.text();
    if (candidates_.size() == 1) return error(with_errno(what, last_ != 0 ? last_ : problem));
    return error(fmt::format("{} ({})", what, tried_));
  }

  // RFC 8305 recommends 250 ms between two attempts.
  static constexpr Duration head_start = std::chrono::milliseconds(250);

  const spec::Address& address_;
  const std::vector<const addrinfo*> candidates_;
  const Waker& waker_;
  const Duration timeout_;
  std::size_t started_ = 0;
  std::vector<Attempt> running_;
  int last_ = 0;
  std::string tried_;
};

}  // namespace

Result<UniqueFd> connect_tcp(const spec::Address& address, const Waker& waker, Duration timeout) {
  const TimePoint end = std::chrono::steady_clock::now() + timeout;
  const auto list = resolve(address, SOCK_STREAM, waker, timeout);
  if (!list) return tl::unexpected(list.error());
  const Duration left = std::max<Duration>(end - std::chrono::steady_clock::now(), Duration(0));
  return Race(address, in_turn(list->get()), waker, left).run();
}

Result<void> look_up(const spec::Address& address, const Waker& waker, Duration timeout) {
  const auto list = resolve(address, SOCK_STREAM, waker, timeout);
  if (!list) return tl::unexpected(list.error());
  return {};
}

Result<UniqueFd> connect_unix(const std::string& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (path.size() >= sizeof name.sun_path) {
    return error(fmt::format("the socket path {} is longer than {} characters", path,
                             sizeof name.sun_path - 1));
  }
  path.copy(name.sun_path, path.size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return error(with_errno("socket", errno));
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
    return error(with_errno("cannot reach " + path, errno));
  }
  return fd;
}

Result<UniqueFd> connect_vsock(const spec::VsockAddress& address, const Waker& waker,
                               Duration timeout) {
  UniqueFd fd(::socket(AF_VSOCK, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return error(with_errno("no vsock on this machine", errno));
  sockaddr_vm name{};
  name.svm_family = AF_VSOCK;
  name.svm_cid = address.cid;
  name.svm_port = address.port;
  int problem =
      ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0 ? 0 : errno;
  if (problem == EINPROGRESS) problem = finish_connect(fd.get(), waker, timeout);
  if (problem < 0) return interrupted();
  if (problem != 0) return error(with_errno("cannot reach " + address.text(), problem));
  return fd;
}

Result<sockaddr_storage> resolve_udp(const spec::Address& address) {
  const auto list = resolve(address, SOCK_DGRAM);
  if (!list) return tl::unexpected(list.error());
  Error problem;
  for (const addrinfo* at : in_turn(list->get())) {
    sockaddr_storage found{};
    std::memcpy(&found, at->ai_addr, at->ai_addrlen);
    // Connecting a datagram socket sends nothing; it looks for a route.
    const auto probe = connect_udp(found);
    if (probe) return found;
    problem.message = fmt::format("cannot reach {}: {}", address.text(), probe.error().message);
  }
  return tl::unexpected(problem);
}

Result<UniqueFd> connect_udp(const sockaddr_storage& peer) {
  UniqueFd fd(::socket(peer.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return error(with_errno("socket", errno));
  const socklen_t size = peer.ss_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&peer), size) != 0) {
    return error(with_errno("cannot send datagrams there", errno));
  }
  return fd;
}

}  // namespace qanat::net
