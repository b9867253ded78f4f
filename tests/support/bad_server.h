// A server on loopback that does what it should not.
#pragma once

#include <fmt/core.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "net/listen.h"
#include "peers/http_client.h"

namespace qanat::test {

// Gives each connection to `behaviour`, on a thread; that ends once `say` or `hear` is false.
class BadServer {
 public:
  class Peer {
   public:
    Peer(int fd, const std::atomic<bool>& stop) : fd_(fd), stop_(stop) {}
    bool say(std::string_view words) const {
      return !stop_ && ::send(fd_, words.data(), words.size(), MSG_NOSIGNAL) > 0;
    }
    bool hear() const {
      char some[4096];
      return !stop_ && ::recv(fd_, some, sizeof some, 0) > 0;
    }
    // A byte of `words` now and then; the last one for ever.
    void drip(std::string_view words, std::chrono::milliseconds gap) const {
      for (std::size_t at = 0; say(words.substr(std::min(at, words.size() - 1), 1)); ++at) {
        std::this_thread::sleep_for(gap);
      }
    }

   private:
    int fd_;
    const std::atomic<bool>& stop_;
  };
  using Behaviour = std::function<void(const Peer&)>;

  explicit BadServer(Behaviour behaviour)
      : behaviour_(std::move(behaviour)), thread_([this] { run(); }) {}
  BadServer(const BadServer&) = delete;
  BadServer& operator=(const BadServer&) = delete;
  ~BadServer() {
    stop_ = true;
    waker_.wake();
    thread_.join();
    // No peer's thread waits for ever.
    for (const UniqueFd& fd : fds_) ::shutdown(fd.get(), SHUT_RDWR);
    for (std::thread& peer : peers_) peer.join();
  }

  std::uint16_t port() const { return net::local_port(listener_.get()); }
  int connections() const { return connections_; }
  peers::Endpoint endpoint() const {
    peers::Endpoint endpoint;
    endpoint.address = {"127.0.0.1", port()};
    endpoint.tls = false;
    return endpoint;
  }

  static Behaviour dripping() {
    return [](const Peer& peer) {
      if (peer.hear()) {
        peer.drip("HTTP/1.1 200 OK\r\nQanat-Grade: full\r\nContent-Length: 64\r\n\r\nx",
                  std::chrono::milliseconds(20));
      }
    };
  }
  static Behaviour endless() {
    return [](const Peer& peer) {
      const std::string piece = "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
      if (!peer.hear() ||
          !peer.say("HTTP/1.1 200 OK\r\nQanat-Grade: full\r\nTransfer-Encoding: chunked\r\n\r\n"))
        return;
      while (peer.say(piece)) {
      }
    };
  }
  static Behaviour silent() {
    return [](const Peer& peer) {
      while (peer.hear()) {
      }
    };
  }

 private:
  void run() {
    while (wait_for(listener_.get(), POLLIN, waker_, std::nullopt) == Wake::ready) {
      const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) continue;
      ++connections_;
      fds_.emplace_back(fd);
      peers_.emplace_back([this, fd] {
        behaviour_(Peer(fd, stop_));
        ::shutdown(fd, SHUT_RDWR);
      });
    }
  }

  const Behaviour behaviour_;
  const UniqueFd listener_ = net::listen_tcp({"127.0.0.1", 0});
  const Waker waker_;
  std::atomic<bool> stop_{false};
  std::atomic<int> connections_{0};
  std::vector<UniqueFd> fds_;
  std::vector<std::thread> peers_;
  std::thread thread_;
};

}  // namespace qanat::test
