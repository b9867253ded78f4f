// Load for bench/egd: clients of a UNIX socket, each with one request of 255 bytes under way.
//   bench_egd PATH CLIENTS SECONDS
// Prints requests a second.
#include <fmt/core.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "net/connect.h"
#include "wire/egd.h"

int main(int argc, char** argv) try {
  using namespace qanat;
  if (argc != 4) {
    fmt::print(stderr, "bench_egd PATH CLIENTS SECONDS\n");
    return 2;
  }
  const std::size_t clients = std::stoul(argv[2]);
  const auto ask = wire::egd::encode_read(wire::egd::Verb::wait, wire::egd::most_bytes);
  const UniqueFd poll(::epoll_create1(EPOLL_CLOEXEC));
  std::vector<UniqueFd> sockets;
  std::vector<std::size_t> missing(clients, wire::egd::most_bytes);
  for (std::size_t i = 0; i < clients; ++i) {
    auto fd = net::connect_unix(argv[1]);
    if (!fd) throw Failure(fd.error().message);
    epoll_event event{.events = EPOLLIN, .data = {.u64 = i}};
    ::epoll_ctl(poll.get(), EPOLL_CTL_ADD, fd->get(), &event);
    (void)::send(fd->get(), ask.data(), ask.size(), MSG_NOSIGNAL);
    sockets.push_back(std::move(*fd));
  }
  const Clock clock;
  const double length = std::stod(argv[3]);
  const TimePoint begin = clock.now();
  std::uint64_t answers = 0;
  while (seconds(clock.now() - begin) < length) {
    std::array<epoll_event, 64> events{};
    // It never sleeps: whoever has to wake it would pay for that.
    const int ready = ::epoll_wait(poll.get(), events.data(), events.size(), 0);
    for (int e = 0; e < ready; ++e) {
      const std::size_t i = events[static_cast<std::size_t>(e)].data.u64;
      std::array<std::uint8_t, wire::egd::most_bytes> in;
      const ssize_t n = ::recv(sockets[i].get(), in.data(), missing[i], 0);
      if (n <= 0) throw Failure("the server closed a connection");
      missing[i] -= static_cast<std::size_t>(n);
      if (missing[i] > 0) continue;
      ++answers;
      missing[i] = wire::egd::most_bytes;
      (void)::send(sockets[i].get(), ask.data(), ask.size(), MSG_NOSIGNAL);
    }
  }
  fmt::print("{:.0f}\n", static_cast<double>(answers) / length);
  return 0;
} catch (const std::exception& problem) {
  fmt::print(stderr, "bench_egd: {}\n", problem.what());
  return 1;
}
