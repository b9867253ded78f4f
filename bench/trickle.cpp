// The two ends of bench/trickle: an echo of datagrams without any cryptography, and a flood of
// questions that were made beforehand, so that the generator costs less than any server.
//   bench_trickle echo PORT
//   bench_trickle flood JOIN-STRING-FILE SECONDS ECHO-PORT|- [COOKIES]
// With an echo's port the same questions go there instead of to the hub. Prints answers a second.
//   bench_trickle garbage JOIN-STRING-FILE SECONDS short|malformed|generation|cookie|mac
// Questions that nobody answers, as fast as they go. Prints how many went.
//   bench_trickle distinct COOKIE-KEY-FILE PORT COUNT
// One question of each of so many clients, whose sessions are simulated with the hub's own cookie
// key. Prints how many were answered.
//   bench_trickle gaps SECONDS
// What the machine takes away from a program that does nothing but look at the clock: the parts of
// a second lost in gaps of 0.2 ms and more, and the longest of them in ms.
#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <ctime>
#include <fstream>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/secret.h"
#include "crypto/aead.h"
#include "net/connect.h"
#include "outlets/trickle/cookie_keys.h"
#include "peers/http_client.h"
#include "sources/registry.h"
#include "sources/upstream/names.h"
#include "wire/trickle.h"
#include "wire/trickle_session.h"

namespace {

using namespace qanat;
namespace trickle = wire::trickle;

constexpr std::size_t batch = 64;
constexpr std::size_t datagram_room = 2048;

struct Batch {
  std::array<mmsghdr, batch> headers{};
  std::array<iovec, batch> vectors{};
  std::array<sockaddr_in, batch> peers{};
  std::vector<std::array<std::uint8_t, datagram_room>> buffers{batch};

  int receive(int fd, int flags, bool with_peers) {
    for (std::size_t i = 0; i < batch; ++i) {
      vectors[i] = {buffers[i].data(), datagram_room};
      headers[i].msg_hdr = {};
      headers[i].msg_hdr.msg_iov = &vectors[i];
      headers[i].msg_hdr.msg_iovlen = 1;
      if (with_peers) {
        headers[i].msg_hdr.msg_name = &peers[i];
        headers[i].msg_hdr.msg_namelen = sizeof(sockaddr_in);
      }
    }
    return ::recvmmsg(fd, headers.data(), batch, flags, nullptr);
  }
};

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(port);
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return in;
}

int echo(std::uint16_t port) {
  const UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const sockaddr_in at = loopback(port);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) return 1;
  Batch in;
  for (;;) {
    const int got = in.receive(fd.get(), MSG_WAITFORONE, true);
    if (got <= 0) return 1;
    for (int i = 0; i < got; ++i) in.vectors[i].iov_len = in.headers[i].msg_len;
    int done = 0;
    while (done < got) {
      const int sent = ::sendmmsg(fd.get(), in.headers.data() + done, got - done, 0);
      done += sent > 0 ? sent : 1;
    }
  }
}

// So many questions of one client, each with its own id, all with the same cookie: the server keeps
// no state by which it would know.
std::vector<std::vector<std::uint8_t>> make_questions(const std::string& join, std::size_t count,
                                                      unsigned cookies, sockaddr_storage& server) {
  const Waker waker;
  peers::HttpClient client(sources::parse_upstream(join), waker);
  const auto text = client.text("POST", "/v1/session");
  if (!text) throw Failure(text.error().message);
  const auto session = wire::decode_trickle_session(*text);
  WipedArray<trickle::exporter_bytes> exporter;
  client.exporter(trickle::exporter_label, exporter.view());
  server = *client.peer();
  reinterpret_cast<sockaddr_in&>(server).sin_port = htons(session->port);
  std::array<std::uint8_t, trickle::keys_bytes> keys;
  trickle::session_keys(exporter.view(), client.endpoint().shared_key.view(), session->nonce, 0,
                        keys);
  std::vector<std::vector<std::uint8_t>> questions;
  for (std::size_t i = 0; i < count; ++i) {
    trickle::Request request{.cookies = cookies, .bytes = 64, .cookie = session->cookies.front()};
    crypto::random_bytes(request.id);
    questions.push_back(trickle::encode_request(request, Bytes(keys).first(trickle::key_bytes)));
  }
  return questions;
}

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// Keeps so many questions under way on each of a few sockets, and counts what comes back.
int flood(const std::string& join_file, double length, const std::string& echo_port,
          unsigned cookies) {
  constexpr std::size_t sockets = 4;
  constexpr std::size_t window = 128;
  sockaddr_storage server{};
  auto questions = make_questions(first_line(join_file), 4096, cookies, server);
  if (echo_port != "-") {
    const sockaddr_in at = loopback(static_cast<std::uint16_t>(std::stoi(echo_port)));
    std::memcpy(&server, &at, sizeof at);
  }
  std::vector<UniqueFd> fds;
  for (std::size_t i = 0; i < sockets; ++i) fds.push_back(*net::connect_udp(server));
  std::array<std::size_t, sockets> under_way{};
  std::array<TimePoint, sockets> heard{};
  Batch in;
  Batch out;
  std::size_t next = 0;
  std::uint64_t answers = 0;
  const Clock clock;
  const TimePoint begin = clock.now();
  const TimePoint end =
      begin + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(length));
  for (TimePoint now = begin; now < end; now = clock.now()) {
    for (std::size_t s = 0; s < sockets; ++s) {
      // Lost ones: after a tenth of a second of silence all of them are.
      if (now - heard[s] > std::chrono::milliseconds(100)) under_way[s] = 0;
      const std::size_t count = std::min(batch, window - under_way[s]);
      if (count >= batch / 2) {
        for (std::size_t i = 0; i < count; ++i) {
          auto& question = questions[next++ % questions.size()];
          out.vectors[i] = {question.data(), question.size()};
          out.headers[i].msg_hdr.msg_iov = &out.vectors[i];
          out.headers[i].msg_hdr.msg_iovlen = 1;
        }
        const int sent = ::sendmmsg(fds[s].get(), out.headers.data(), static_cast<unsigned>(count),
                                    MSG_DONTWAIT);
        if (sent > 0) under_way[s] += static_cast<std::size_t>(sent);
        heard[s] = now;
      }
      const int got = in.receive(fds[s].get(), MSG_DONTWAIT, false);
      if (got <= 0) continue;
      answers += static_cast<std::uint64_t>(got);
      under_way[s] -= std::min(under_way[s], static_cast<std::size_t>(got));
      heard[s] = now;
    }
    // It never sleeps: whoever has to wake it would pay for that.
  }
  fmt::print("{:.0f} {}\n", static_cast<double>(answers) / length, questions.front().size());
  return 0;
}

int garbage(const std::string& join_file, double length, const std::string& kind) {
  sockaddr_storage server{};
  auto questions = make_questions(first_line(join_file), 256, 1, server);
  for (auto& question : questions) {
    if (kind == "short") question.resize(100);
    if (kind == "malformed") crypto::random_bytes(question);
    // The places of docs/trickle.md: MAC at 28, cookie at 44, which begins with its generation.
    if (kind == "generation") question[44] ^= 0x80;
    if (kind == "cookie") question[100] ^= 1;
    if (kind == "mac") question[30] ^= 1;
  }
  const UniqueFd fd = *net::connect_udp(server);
  Batch out;
  std::uint64_t sent = 0;
  const Clock clock;
  const TimePoint end =
      clock.now() + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(length));
  for (std::size_t next = 0; clock.now() < end;) {
    for (std::size_t i = 0; i < batch; ++i) {
      auto& question = questions[next++ % questions.size()];
      out.vectors[i] = {question.data(), question.size()};
      out.headers[i].msg_hdr.msg_iov = &out.vectors[i];
      out.headers[i].msg_hdr.msg_iovlen = 1;
    }
    const int went = ::sendmmsg(fd.get(), out.headers.data(), batch, 0);
    sent += went > 0 ? static_cast<std::uint64_t>(went) : 0;
  }
  fmt::print("{}\n", sent);
  return 0;
}

int distinct(const std::string& key_file, std::uint16_t port, std::size_t count) {
  const auto hour =
      outlets::CookieKeys::generation_at(static_cast<std::uint64_t>(std::time(nullptr)));
  const auto keys = outlets::CookieKeys::parse(first_line(key_file) + "\n", hour);
  if (!keys) throw Failure(keys.error().message);
  sockaddr_storage server{};
  const sockaddr_in at = loopback(port);
  std::memcpy(&server, &at, sizeof at);
  const UniqueFd fd = *net::connect_udp(server);
  Batch in;
  std::uint64_t answers = 0;
  const Waker waker;
  for (std::size_t begin = 0; begin < count; begin += batch) {
    const std::size_t some = std::min(batch, count - begin);
    for (std::size_t i = 0; i < some; ++i) {
      trickle::CookieContent content;
      content.session = hour % (1U << 24);
      content.client = trickle::client_id(fmt::format("machine-{}", begin + i), {});
      crypto::random_bytes(content.keys.view());
      trickle::Nonce nonce;
      crypto::random_bytes(nonce);
      trickle::Request request{.cookies = 1, .bytes = 64};
      request.cookie = trickle::seal_cookie(keys->current(), keys->generation(), nonce, content);
      crypto::random_bytes(request.id);
      const auto datagram =
          trickle::encode_request(request, content.keys.view().first(trickle::key_bytes));
      (void)::send(fd.get(), datagram.data(), datagram.size(), 0);
    }
    for (std::size_t heard = 0; heard < some;) {
      if (wait_for(fd.get(), POLLIN, waker, std::chrono::seconds(1)) != Wake::ready) break;
      const int got = in.receive(fd.get(), MSG_DONTWAIT, false);
      if (got <= 0) continue;
      // Answered, and not refused.
      for (int i = 0; i < got; ++i) answers += in.buffers[static_cast<std::size_t>(i)][3] == 2;
      heard += static_cast<std::size_t>(got);
    }
  }
  fmt::print("{}\n", answers);
  return 0;
}

int gaps(double length) {
  constexpr Duration least = std::chrono::microseconds(200);
  const Clock clock;
  const TimePoint begin = clock.now();
  Duration lost{};
  Duration longest{};
  for (TimePoint last = begin; seconds(last - begin) < length;) {
    const TimePoint now = clock.now();
    if (now - last >= least) lost += now - last;
    longest = std::max(longest, now - last);
    last = now;
  }
  fmt::print("{:.5f} {:.2f}\n", seconds(lost) / length, 1000 * seconds(longest));
  return 0;
}

}  // namespace

int main(int argc, char** argv) try {
  initialise_secret_memory();
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "echo" && argc == 3) return echo(static_cast<std::uint16_t>(std::stoi(argv[2])));
  if (mode == "flood" && argc >= 5) {
    return flood(argv[2], std::stod(argv[3]), argv[4],
                 argc > 5 ? static_cast<unsigned>(std::stoi(argv[5])) : 1);
  }
  if (mode == "garbage" && argc == 5) return garbage(argv[2], std::stod(argv[3]), argv[4]);
  if (mode == "gaps" && argc == 3) return gaps(std::stod(argv[2]));
  if (mode == "distinct" && argc == 5) {
    return distinct(argv[2], static_cast<std::uint16_t>(std::stoi(argv[3])), std::stoul(argv[4]));
  }
  fmt::print(stderr, "see the head of bench/trickle.cpp\n");
  return 2;
} catch (const std::exception& problem) {
  fmt::print(stderr, "bench_trickle: {}\n", problem.what());
  return 1;
}
