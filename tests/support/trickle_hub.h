// A hub with trickle in this process, and a path to it that loses, repeats and spoils datagrams.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <ctime>
#include <functional>
#include <mutex>
#include <thread>

#include "net/connect.h"
#include "outlets/trickle/cookie_keys.h"
#include "outlets/trickle/trickle.h"
#include "support/test_hub.h"

namespace qanat::test {

// A UDP relay for clients of 127.0.0.1, on a thread of its own.
class UdpRelay {
 public:
  // What becomes of a datagram: these are sent on in its place.
  using Policy = std::function<std::vector<Samples>(Samples datagram)>;

  // `port`: 0 for any.
  explicit UdpRelay(std::uint16_t to, std::uint16_t port = 0) {
    fd_ = UniqueFd(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_in at = loopback(port);
    if (::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) std::abort();
    socklen_t size = sizeof at;
    ::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&at), &size);
    port_ = ntohs(at.sin_port);
    sockaddr_storage hub{};
    const sockaddr_in hub_in = loopback(to);
    std::memcpy(&hub, &hub_in, sizeof hub_in);
    hub_ = *net::connect_udp(hub);
    thread_ = std::thread([this] { run(); });
  }
  ~UdpRelay() {
    waker_.wake();
    thread_.join();
  }
  std::uint16_t port() const { return port_; }
  void to_hub(Policy policy) {
    const std::scoped_lock lock(mutex_);
    to_hub_ = std::move(policy);
  }
  void to_client(Policy policy) {
    const std::scoped_lock lock(mutex_);
    to_client_ = std::move(policy);
  }
  // Every datagram that clients sent.
  std::vector<Samples> asked() const {
    const std::scoped_lock lock(mutex_);
    return asked_;
  }

 private:
  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return in;
  }
  // One client at a time: answers go to who asked last.
  void run() {
    Samples in(2000);
    sockaddr_in client{};
    for (;;) {
      pollfd ready[3] = {{fd_.get(), POLLIN, 0}, {hub_.get(), POLLIN, 0}, {waker_.fd(), POLLIN, 0}};
      if (::poll(ready, 3, -1) < 0 || ready[2].revents != 0) return;
      socklen_t size = sizeof client;
      ssize_t got = ::recvfrom(fd_.get(), in.data(), in.size(), 0,
                               reinterpret_cast<sockaddr*>(&client), &size);
      const std::scoped_lock lock(mutex_);
      if (got > 0) {
        asked_.emplace_back(in.begin(), in.begin() + got);
        for (const Samples& out : to_hub_(asked_.back())) {
          (void)::send(hub_.get(), out.data(), out.size(), 0);
        }
      }
      got = ::recv(hub_.get(), in.data(), in.size(), 0);
      if (got > 0) {
        for (const Samples& out : to_client_(Samples(in.begin(), in.begin() + got))) {
          (void)::sendto(fd_.get(), out.data(), out.size(), 0,
                         reinterpret_cast<const sockaddr*>(&client), sizeof client);
        }
      }
    }
  }
  static std::vector<Samples> pass(Samples datagram) { return {std::move(datagram)}; }

  UniqueFd fd_;
  UniqueFd hub_;
  std::uint16_t port_ = 0;
  const Waker waker_;
  mutable std::mutex mutex_;
  Policy to_hub_ = pass;
  Policy to_client_ = pass;
  std::vector<Samples> asked_;
  std::thread thread_;
};

// HTTPS for the sessions, trickle behind a relay, and a client with a join string.
class TrickleHub : public TestHub {
 public:
  TrickleHub() {
    seed_drbg();
    trickle_ = std::make_unique<outlets::TrickleOutlet>(
        outlets::TrickleSettings{"trickle", {"127.0.0.1", 0}, {}, {}}, services(), cookies);
    trickle_->start();
    relay = std::make_unique<UdpRelay>(trickle_->address().port);
    trickle_port = relay->port();
    outlets::HttpSettings settings;
    settings.name = "https";
    settings.address = {"127.0.0.1", 0};
    settings.tls = true;
    settings.access = outlets::Access::join;
    https_ = std::make_unique<outlets::HttpOutlet>(settings, all_services());
    https_->start();
    client = *clients.add("leaf", SecretBytes(Bytes(constant(32, 5))), {});
  }
  peers::Endpoint endpoint() const {
    peers::Endpoint endpoint;
    endpoint.address = *spec::parse_address(https_->address_text());
    endpoint.trust.pin = pin();
    endpoint.client_name = "leaf";
    endpoint.shared_key = SecretBytes(Bytes(constant(32, 5)));
    return endpoint;
  }
  // The hub's datagrams are refused, as when it is restarted, and pass again.
  void leave() { relay.reset(); }
  void come_back() { relay = std::make_unique<UdpRelay>(trickle_->address().port, trickle_port); }
  observe::OutletReport trickle_report() const { return trickle_->report(); }

  std::shared_ptr<share::Client> client;
  std::unique_ptr<UdpRelay> relay;

 private:
  std::unique_ptr<outlets::TrickleOutlet> trickle_;
  std::unique_ptr<outlets::HttpOutlet> https_;
};

}  // namespace qanat::test
