#include "cli/trickle_load.h"

#include <fmt/core.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>

#include "crypto/aead.h"
#include "net/connect.h"
#include "wire/trickle_session.h"

namespace qanat::cli {

namespace trickle = wire::trickle;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t batch = 64;
// Several, so that a server of several threads has something for each.
constexpr std::size_t most_sockets = 8;
constexpr Duration patience = 1s;

struct LoadClient {
  trickle::Cookie cookie{};
  trickle::Id id{};
  TimePoint due{};  // of the question that waits
  TimePoint sent{};
  bool waiting = false;
};

class Generator {
 public:
  Generator(peers::Endpoint endpoint, const TrickleLoad& load)
      : load_(load),
        clients_(load.clients),
        keys_(load.clients * trickle::keys_bytes),
        client_(std::move(endpoint), waker_) {
    begin_sessions();
    const std::size_t sockets = std::min(most_sockets, load.clients);
    for (std::size_t i = 0; i < sockets; ++i) {
      auto fd = net::connect_udp(server_);
      if (!fd) throw Failure(fd.error().message);
      const int room = 4 << 20;
      ::setsockopt(fd->get(), SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
      sockets_.push_back(std::move(*fd));
    }
    ready_.resize(sockets);
    for (std::size_t i = 0; i < clients_.size(); ++i) ready_[i % sockets].push_back(i);
    datagrams_.resize(batch);
    inbox_.resize(batch);
  }

  TrickleLoadResult run();

 private:
  void begin_sessions();
  std::size_t begin_session(std::size_t first);
  MutableBytes keys(std::size_t i) {
    return keys_.view().subspan(i * trickle::keys_bytes, trickle::keys_bytes);
  }
  bool send_due(std::size_t socket, TimePoint now);
  bool receive(std::size_t socket);
  void answered(std::size_t socket, Bytes datagram, TimePoint now);
  void give_up(TimePoint now);
  bool due(TimePoint now) const { return load_.rate == 0 || now >= begin_ + time_of(result_.sent); }
  Duration time_of(std::uint64_t number) const {
    return std::chrono::duration_cast<Duration>(
        std::chrono::duration<double>(static_cast<double>(number) / load_.rate));
  }

  const TrickleLoad load_;
  const Waker waker_;
  std::vector<LoadClient> clients_;
  SecretBytes keys_;
  peers::HttpClient client_;
  sockaddr_storage server_{};
  std::vector<UniqueFd> sockets_;
  std::vector<std::deque<std::size_t>> ready_;  // clients that ask next, by socket
  std::vector<std::vector<std::uint8_t>> datagrams_;
  std::vector<std::array<std::uint8_t, trickle::most_datagram + 1>> inbox_;
  // A reply carries its client's id: where to look is the id's beginning.
  std::vector<std::uint64_t> seen_;
  trickle::Answer answer_;
  TimePoint begin_{};
  bool over_ = false;
  std::size_t waiting_ = 0;
  TrickleLoadResult result_;
};

// One of `clients_` for each cookie of a session, from `first` on; how many there were.
std::size_t Generator::begin_session(std::size_t first) {
  auto text = client_.text("POST", "/v1/session");
  while (!text && text.error().trouble == peers::Trouble::busy) {
    // A hub has a rate for them, as each of its clients needs one an hour.
    wait_for(-1, 0, waker_, std::chrono::seconds(std::max(1U, text.error().retry_after)));
    text = client_.text("POST", "/v1/session");
  }
  if (!text) throw Failure("no session: " + text.error().message);
  const auto session = wire::decode_trickle_session(*text);
  if (!session) throw Failure(session.error().message);
  const auto address = client_.peer();
  WipedArray<trickle::exporter_bytes> exporter;
  if (!address || !client_.exporter(trickle::exporter_label, exporter.view())) {
    throw Failure("the hub closed the connection after a session");
  }
  server_ = *address;
  reinterpret_cast<sockaddr_in&>(server_).sin_port = htons(session->port);
  const std::size_t count = std::min(session->cookies.size(), clients_.size() - first);
  for (std::size_t i = 0; i < count; ++i) {
    clients_[first + i].cookie = session->cookies[i];
    trickle::session_keys(exporter.view(), client_.endpoint().shared_key.view(), session->nonce,
                          static_cast<unsigned>(i), keys(first + i));
  }
  return count;
}

void Generator::begin_sessions() {
  for (std::size_t begun = 0; begun < clients_.size();) {
    const std::size_t count = begin_session(begun);
    if (count == 0) throw Failure("a session without cookies");
    begun += count;
  }
  client_.disconnect();
}

// Sends what is due on one socket; whether there was anything.
bool Generator::send_due(std::size_t socket, TimePoint now) {
  std::array<mmsghdr, batch> headers{};
  std::array<iovec, batch> vectors{};
  std::array<std::size_t, batch> who{};
  std::array<trickle::Id, batch> ids;
  std::size_t count = 0;
  while (count < batch && !ready_[socket].empty() && !over_ && due(now)) {
    if (count == 0) crypto::random_bytes({ids.front().data(), sizeof ids});
    const std::size_t i = ready_[socket].front();
    ready_[socket].pop_front();
    LoadClient& client = clients_[i];
    client.id = ids[count];
    // The answer finds its client by the id's first bytes.
    const auto number = static_cast<std::uint32_t>(i);
    std::memcpy(client.id.data(), &number, sizeof number);
    client.due = load_.rate == 0 ? now : begin_ + time_of(result_.sent);
    client.sent = now;
    client.waiting = true;
    ++waiting_;
    ++result_.sent;
    datagrams_[count] = trickle::encode_request({.grade = load_.grade,
                                                 .cookies = 1,
                                                 .bytes = load_.bytes,
                                                 .id = client.id,
                                                 .cookie = client.cookie},
                                                Bytes(keys(i)).first(trickle::key_bytes));
    vectors[count] = {datagrams_[count].data(), datagrams_[count].size()};
    headers[count].msg_hdr.msg_iov = &vectors[count];
    headers[count].msg_hdr.msg_iovlen = 1;
    who[count++] = i;
  }
  // What the kernel does not take is lost, as on any network, and noticed as such.
  std::size_t done = 0;
  while (done < count) {
    const int sent = ::sendmmsg(sockets_[socket].get(), headers.data() + done,
                                static_cast<unsigned>(count - done), MSG_DONTWAIT);
    if (sent < 0 && errno == ECONNREFUSED) throw Failure("the hub's UDP port is closed");
    done += sent > 0 ? static_cast<std::size_t>(sent) : 1;
  }
  return count > 0;
}

bool Generator::receive(std::size_t socket) {
  std::array<mmsghdr, batch> headers{};
  std::array<iovec, batch> vectors{};
  for (std::size_t i = 0; i < batch; ++i) {
    vectors[i] = {inbox_[i].data(), inbox_[i].size()};
    headers[i].msg_hdr.msg_iov = &vectors[i];
    headers[i].msg_hdr.msg_iovlen = 1;
  }
  const int got = ::recvmmsg(sockets_[socket].get(), headers.data(), batch, MSG_DONTWAIT, nullptr);
  if (got < 0 && errno == ECONNREFUSED) throw Failure("the hub's UDP port is closed");
  if (got <= 0) return false;
  const TimePoint now = Clock().now();
  for (std::size_t i = 0; i < static_cast<std::size_t>(got); ++i) {
    answered(socket, Bytes(inbox_[i]).first(headers[i].msg_len), now);
  }
  return true;
}

void Generator::answered(std::size_t socket, Bytes datagram, TimePoint now) {
  std::uint32_t i = 0;
  if (datagram.size() >= trickle::header_bytes + trickle::id_bytes) {
    std::memcpy(&i, datagram.data() + trickle::header_bytes, sizeof i);
  }
  if (i >= clients_.size() || !clients_[i].waiting ||
      !trickle::decode_answer(datagram, clients_[i].id, Bytes(keys(i)).last(trickle::key_bytes),
                              answer_)) {
    ++result_.strays;
    return;
  }
  LoadClient& client = clients_[i];
  client.waiting = false;
  --waiting_;
  ready_[socket].push_back(i);
  if (answer_.refused) {
    ++result_.refused;
    return;
  }
  ++result_.answered;
  result_.latencies.push_back(static_cast<float>(qanat::seconds(now - client.due)));
  std::uint64_t head = 0;
  std::memcpy(&head, answer_.entropy().data(), std::min(sizeof head, answer_.bytes));
  seen_.push_back(head);
  if (answer_.cookies == 0) return;
  trickle::next_keys(keys(i), answer_.fresh(0), keys(i));
  client.cookie = answer_.cookie(0);
}

// Who has waited too long asks again, with another id.
void Generator::give_up(TimePoint now) {
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    if (!clients_[i].waiting || now - clients_[i].sent < patience) continue;
    clients_[i].waiting = false;
    --waiting_;
    ++result_.lost;
    ready_[i % sockets_.size()].push_back(i);
  }
}

TrickleLoadResult Generator::run() {
  // Growing in mid-measurement would be measured.
  constexpr double most_expected = 1e6;
  const auto expected = static_cast<std::size_t>((load_.rate > 0 ? load_.rate : most_expected) *
                                                 qanat::seconds(load_.length));
  seen_.reserve(expected);
  result_.latencies.reserve(expected);
  begin_ = Clock().now();
  TimePoint look = begin_;
  for (;;) {
    TimePoint now = Clock().now();
    over_ = over_ || now - begin_ >= load_.length;
    if (over_ && (waiting_ == 0 || now - begin_ >= load_.length + patience)) break;
    if (now - look > 100ms) {
      give_up(now);
      look = now;
    }
    bool busy = false;
    for (std::size_t s = 0; s < sockets_.size(); ++s) {
      busy = send_due(s, now) || busy;
      busy = receive(s) || busy;
    }
    if (busy) continue;
    std::array<pollfd, most_sockets> waits{};
    for (std::size_t s = 0; s < sockets_.size(); ++s) waits[s] = {sockets_[s].get(), POLLIN, 0};
    Duration rest = 10ms;
    if (load_.rate > 0 && !over_) {
      rest = std::clamp(begin_ + time_of(result_.sent) - now, Duration(0), rest);
    }
    const timespec time{0, static_cast<long>(std::chrono::nanoseconds(rest).count())};
    ::ppoll(waits.data(), sockets_.size(), &time, nullptr);
  }
  give_up(TimePoint::max());
  result_.seconds = qanat::seconds(load_.length);
  std::sort(result_.latencies.begin(), result_.latencies.end());
  std::sort(seen_.begin(), seen_.end());
  for (std::size_t i = 1; i < seen_.size(); ++i)
    result_.equal += seen_[i] == seen_[i - 1] ? 1U : 0U;
  return std::move(result_);
}

}  // namespace

double TrickleLoadResult::latency_at(double part) const {
  if (latencies.empty()) return 0;
  const auto at = static_cast<std::size_t>(part * static_cast<double>(latencies.size()));
  return latencies[std::min(at, latencies.size() - 1)];
}

TrickleLoadResult run_trickle_load(peers::Endpoint endpoint, const TrickleLoad& load) {
  return Generator(std::move(endpoint), load).run();
}

}  // namespace qanat::cli
