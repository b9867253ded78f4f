// An outlet over connections at a UNIX socket or on loopback, and a peer that speaks bytes.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "net/connect.h"
#include "outlets/registry.h"
#include "serve/stream_outlet.h"
#include "support/eventually.h"
#include "support/test_hub.h"

namespace qanat::outlets {

class StreamTest : public testing::Test {
 protected:
  StreamTest() { std::filesystem::create_directories(directory_); }
  ~StreamTest() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<serve::Outlet> start(const std::string& text) {
    auto outlet = plan_outlet(text).make(hub_.all_services());
    outlet->start();
    return outlet;
  }
  // To where it listens; at loopback it has chosen its port.
  UniqueFd connect(const serve::Outlet& outlet) {
    const std::string at = dynamic_cast<const serve::StreamOutlet&>(outlet).address_text();
    if (at.starts_with("/")) return *net::connect_unix(at);
    return std::move(*net::connect_tcp(*spec::parse_address(at), waker_, std::chrono::seconds(10)));
  }
  static void say(const UniqueFd& fd, Bytes bytes) {
    ASSERT_EQ(::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  // So many bytes; fewer when the peer closed before, or is silent for 30 s.
  test::Samples hear(const UniqueFd& fd, std::size_t count) {
    test::Samples in(count);
    std::size_t have = 0;
    while (have < count &&
           wait_for(fd.get(), POLLIN, waker_, std::chrono::seconds(30)) == Wake::ready) {
      const ssize_t n = ::recv(fd.get(), in.data() + have, count - have, 0);
      if (n <= 0) break;
      have += static_cast<std::size_t>(n);
    }
    in.resize(have);
    return in;
  }
  std::uint64_t delivered_bytes() const { return hub_.dispenser.report().total.delivered / 8; }

  const std::string directory_ = testing::TempDir() + "/qanat-stream-" + std::to_string(::getpid());
  const std::string path_ = directory_ + "/socket";
  test::TestHub hub_;
  Waker waker_;
};

}  // namespace qanat::outlets
