// The two ends of bench/egd and bench/netrng.
//   bench_requests load PATH|HOST:PORT QUESTION-IN-HEX ANSWER-BYTES CLIENTS SECONDS
// Clients that each have one question under way, to which all answers have the same length. Prints
// answers a second.
//   bench_requests echo PATH|HOST:PORT QUESTION-BYTES ANSWER-BYTES
// The limit: a server that does nothing but read questions and answer each with the same bytes.
#include <fmt/core.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "net/connect.h"
#include "net/listen.h"

namespace {

using namespace qanat;

UniqueFd connect(const std::string& place) {
  const Waker never;
  auto fd = place.starts_with('/')
                ? net::connect_unix(place)
                : net::connect_tcp(*spec::parse_address(place), never, std::chrono::seconds(10));
  if (!fd) throw Failure(fd.error().message);
  return std::move(*fd);
}

void load(const std::string& place, Bytes question, std::size_t answer_bytes, std::size_t clients,
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

// Until it is killed. It never sleeps either.
void echo(const std::string& place, std::size_t question_bytes, std::size_t answer_bytes) {
  const UniqueFd listener = place.starts_with('/') ? net::listen_unix(place, 0600)
                                                   : net::listen_tcp(*spec::parse_address(place));
  const UniqueFd poll(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event listening{.events = EPOLLIN, .data = {.fd = listener.get()}};
  ::epoll_ctl(poll.get(), EPOLL_CTL_ADD, listener.get(), &listening);
  std::vector<std::uint8_t> in(question_bytes);
  const std::vector<std::uint8_t> out(answer_bytes);
  std::vector<epoll_event> events(64);
  for (;;) {
    const int ready = ::epoll_wait(poll.get(), events.data(), static_cast<int>(events.size()), 0);
    for (int e = 0; e < ready; ++e) {
      const int fd = events[static_cast<std::size_t>(e)].data.fd;
      if (fd == listener.get()) {
        const int peer = ::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC);
        epoll_event event{.events = EPOLLIN, .data = {.fd = peer}};
        ::epoll_ctl(poll.get(), EPOLL_CTL_ADD, peer, &event);
      } else if (::recv(fd, in.data(), in.size(), 0) <= 0) {
        ::close(fd);
      } else {
        (void)::send(fd, out.data(), out.size(), MSG_NOSIGNAL);
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) try {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() == 6 && words[0] == "load") {
    const auto question = from_hex(words[2]);
    if (!question) throw Failure("the question is no hex");
    load(words[1], *question, std::stoul(words[3]), std::stoul(words[4]), std::stod(words[5]));
  } else if (words.size() == 4 && words[0] == "echo") {
    echo(words[1], std::stoul(words[2]), std::stoul(words[3]));
  } else {
    fmt::print(stderr,
               "bench_requests load PLACE QUESTION ANSWER-BYTES CLIENTS SECONDS\n"
               "bench_requests echo PLACE QUESTION-BYTES ANSWER-BYTES\n");
    return 2;
  }
  return 0;
} catch (const std::exception& problem) {
  fmt::print(stderr, "bench_requests: {}\n", problem.what());
  return 1;
}
