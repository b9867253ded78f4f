// Load for bench/egd and bench/netrng: clients that each have one question under way, to which all
// answers have the same length.
//   bench_requests PATH|HOST:PORT QUESTION-IN-HEX ANSWER-BYTES CLIENTS SECONDS
// Prints answers a second.
#include <fmt/core.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "net/connect.h"

namespace {

using namespace qanat;

UniqueFd connect(const std::string& place) {
  const Waker never;
  auto fd = place.starts_with('/')
                ? net::connect_unix(place)
                : net::connect_tcp(*wire::parse_address(place), never, std::chrono::seconds(10));
  if (!fd) throw Failure(fd.error().message);
  return std::move(*fd);
}

void run(const std::string& place, Bytes question, std::size_t answer_bytes, std::size_t clients,
         double length) {
  const UniqueFd poll(::epoll_create1(EPOLL_CLOEXEC));
  std::vector<UniqueFd> sockets;
  std::vector<std::size_t> missing(clients, answer_bytes);
  const auto ask = [&](const UniqueFd& fd) {
    (void)::send(fd.get(), question.data(), question.size(), MSG_NOSIGNAL);
  };
  for (std::size_t i = 0; i < clients; ++i) {
    sockets.push_back(connect(place));
    epoll_event event{.events = EPOLLIN, .data = {.u64 = i}};
    ::epoll_ctl(poll.get(), EPOLL_CTL_ADD, sockets.back().get(), &event);
    ask(sockets.back());
  }
  const Clock clock;
  const TimePoint begin = clock.now();
  std::uint64_t answers = 0;
  std::vector<std::uint8_t> in(answer_bytes);
  std::vector<epoll_event> events(64);
  while (seconds(clock.now() - begin) < length) {
    // It never sleeps: whoever has to wake it would pay for that.
    const int ready = ::epoll_wait(poll.get(), events.data(), static_cast<int>(events.size()), 0);
    for (int e = 0; e < ready; ++e) {
      const std::size_t i = events[static_cast<std::size_t>(e)].data.u64;
      const ssize_t n = ::recv(sockets[i].get(), in.data(), missing[i], 0);
      if (n <= 0) throw Failure("the server closed a connection");
      missing[i] -= static_cast<std::size_t>(n);
      if (missing[i] > 0) continue;
      ++answers;
      missing[i] = answer_bytes;
      ask(sockets[i]);
    }
  }
  fmt::print("{:.0f}\n", static_cast<double>(answers) / length);
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 6) {
    fmt::print(stderr, "bench_requests PATH|HOST:PORT QUESTION ANSWER-BYTES CLIENTS SECONDS\n");
    return 2;
  }
  const auto question = from_hex(argv[2]);
  if (!question) throw Failure("the question is no hex");
  run(argv[1], *question, std::stoul(argv[3]), std::stoul(argv[4]), std::stod(argv[5]));
  return 0;
} catch (const std::exception& problem) {
  fmt::print(stderr, "bench_requests: {}\n", problem.what());
  return 1;
}
