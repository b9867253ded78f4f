#include "peers/trickle_client.h"

#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <ctime>

#include "base/log.h"
#include "crypto/aead.h"
#include "crypto/blake2b.h"
#include "net/connect.h"
#include "wire/trickle_session.h"

namespace qanat::peers {

namespace trickle = wire::trickle;
using trickle::Grade;
using trickle::Question;
using trickle::Reason;
using namespace std::chrono_literals;

namespace {

// A session is begun when there are fewer.
constexpr std::size_t few_cookies = 4;
// How long datagrams are left alone that do not get through: a fifth of a feed's time for trying,
// where it would be a tenth of it with each feed, and the hub sees a session no more often.
constexpr UnixTime silence_seconds = 600;
// A hub that offers no trickle is asked again after this time.
constexpr Duration between_sessions = 1h;
// One that is away or overloaded, unless it says that it will be longer.
constexpr Duration between_tries = 1min;
// A refusal's wait is at least a second, and no more than this: no server can silence us for long.
constexpr unsigned most_wait_seconds = 3600;

UnixTime unix_time() { return static_cast<UnixTime>(std::time(nullptr)); }

// One file a hub and client: other credentials, other cookies.
std::string jar_path(const std::string& directory, const Endpoint& endpoint) {
  if (directory.empty()) return "";
  std::array<std::uint8_t, 8> digest;
  const Bytes pin = endpoint.trust.pin ? Bytes(*endpoint.trust.pin) : Bytes();
  crypto::blake2b(
      {},
      {as_bytes("qanat cookie jar"), as_bytes(endpoint.address.text()),
       as_bytes(" " + endpoint.client_name + " " + endpoint.trust.certificate.value_or("") + " "),
       pin, endpoint.shared_key.view()},
      digest);
  return fmt::format("{}/{}", directory, to_hex(digest));
}

tl::unexpected<ClientError> not_now(std::string why) {
  return tl::unexpected(ClientError{Trouble::unreachable, std::move(why)});
}

}  // namespace

Question::FillRandom TrickleClient::crypto_random() { return crypto::random_bytes; }

TrickleClient::TrickleClient(const Endpoint& endpoint, const std::string& cookie_directory,
                             const Waker& waker, Question::FillRandom random)
    : name_(endpoint.text()),
      possible_(endpoint.unix_path.empty() && endpoint.tls &&
                (!endpoint.shared_key.empty() || endpoint.trust.certificate)),
      shared_key_(endpoint.shared_key.view()),
      waker_(waker),
      random_(std::move(random)),
      jar_(possible_ ? jar_path(cookie_directory, endpoint) : "") {}

std::optional<crypto::Pin> TrickleClient::server_key() {
  const auto server = jar_.server();
  return server ? std::optional(server->key) : std::nullopt;
}

tl::expected<Grade, ClientError> TrickleClient::ask(MutableBytes out, Grade grade) {
  unanswered_ = false;
  const UnixTime now = unix_time();
  const auto server = possible_ && out.size() <= most_bytes ? jar_.server() : std::nullopt;
  const std::size_t left = server ? jar_.count(now) : 0;
  if (left == 0) return not_now("no cookies");
  const auto fd = net::connect_udp(server->address);
  if (!fd) return not_now(fd.error().message);
  // One is spent by asking, and one more takes the place of the oldest: what a copy of this process
  // has too is gone after eight answers. After the first answer everything is.
  const auto lacking = static_cast<unsigned>(CookieJar::places - left + 2);
  const unsigned room = trickle::room_for_cookies(out.size());
  Question question(
      {out.size(), grade, renew_ ? room : std::min(lacking, room)}, [&] { return jar_.take(now); },
      random_);
  trickle::Answer answer;
  const Heard heard = exchange(fd->get(), question, answer);
  counters_.sent += question.sent();
  if (heard != Heard::answer) {
    // Nobody has seen them answered: as good as before.
    jar_.put(question.unspent(), now);
    if (heard == Heard::stop) return tl::unexpected(ClientError{Trouble::stopped, "stopped"});
    ++counters_.silent;
    unanswered_ = question.sent() > 0;
    return not_now(name_ + " answers no datagrams");
  }
  if (answer.refused) {
    // They have bought nothing.
    jar_.put(question.unspent(), now);
    return refusal(answer);
  }
  const auto fresh = question.fresh(answer);
  if (std::exchange(renew_, false) && !fresh.empty()) {
    jar_.restart(*server, fresh, now);
  } else {
    jar_.put(fresh, now);
  }
  if (answer.bytes != out.size()) {
    return not_now(fmt::format("{} sent {} bytes instead of {}", name_, answer.bytes, out.size()));
  }
  ++counters_.answered;
  const Bytes entropy = answer.entropy();
  std::copy(entropy.begin(), entropy.end(), out.begin());
  return answer.grade;
}

TrickleClient::Heard TrickleClient::exchange(int fd, Question& question, trickle::Answer& answer) {
  WipedArray<trickle::most_datagram + 1> in;
  for (;;) {
    const TimePoint now = Clock().now();
    if (question.over(now)) return Heard::silence;
    if (const auto datagram = question.due(now)) {
      // A refusal by the network (ICMP) ends it: HTTPS will tell more.
      if (::send(fd, datagram->data(), datagram->size(), 0) < 0 && errno != EAGAIN) {
        return Heard::silence;
      }
      continue;
    }
    if (question.over(now)) return Heard::silence;
    switch (wait_for(fd, POLLIN, waker_, std::max(question.next() - now, Duration::zero()))) {
      case Wake::woken:
        return Heard::stop;
      case Wake::timeout:
        continue;
      case Wake::ready:
        break;
    }
    const ssize_t got = ::recv(fd, in.data(), in.size(), 0);
    if (got < 0 && errno != EAGAIN) return Heard::silence;
    if (got < 0) continue;
    if (question.take(in.view().first(static_cast<std::size_t>(got)), answer)) return Heard::answer;
    ++counters_.strays;
  }
}

tl::unexpected<ClientError> TrickleClient::refusal(const trickle::Answer& answer) {
  ++counters_.refused;
  const unsigned wait = std::clamp<unsigned>(answer.wait_seconds, 1, most_wait_seconds);
  const auto busy = [&](std::string_view why) {
    return tl::unexpected(ClientError{
        Trouble::busy, fmt::format("{}: {}; ask again in {} s", name_, why, wait), wait});
  };
  switch (*answer.refused) {
    case Reason::rate:
      return busy("this is over our rate");
    case Reason::unseeded:
      return busy("its DRBG has no seed yet");
    case Reason::dry:
      return not_now(name_ + " has no full-entropy bytes now");
    case Reason::session:
      // They are all of one session. Whether there is another is said over TLS.
      while (jar_.take(unix_time())) {
      }
      return not_now(name_ + " wants a new session");
  }
  // A reason that later versions have: over HTTPS it is said in words.
  return not_now(fmt::format("{} refused by trickle, for reason {}", name_,
                             static_cast<unsigned>(*answer.refused)));
}

void TrickleClient::refill(HttpClient& client) {
  if (!possible_) return;
  const UnixTime now = unix_time();
  if (std::exchange(unanswered_, false)) {
    log_info("{} answers over HTTPS, and no datagrams: those are left alone for {} s", name_,
             silence_seconds);
    return jar_.fall_silent(now + silence_seconds);
  }
  if ((jar_.count(now) >= few_cookies && !new_session_) || jar_.silent(now)) return;
  if (Clock().now() < no_session_before_) return;
  const auto text = client.text("POST", "/v1/session", "", 16384);
  if (!text) {
    const Trouble trouble = text.error().trouble;
    if (trouble == Trouble::stopped) return;
    const bool away = trouble == Trouble::unreachable || trouble == Trouble::busy;
    const Duration wait = std::chrono::seconds(text.error().retry_after);
    no_session_before_ = Clock().now() + (away ? std::max(wait, between_tries) : between_sessions);
    return;
  }
  const auto session = wire::decode_trickle_session(*text);
  CookieJar::Server server;
  const auto address = client.peer();
  const auto key = client.server_key();
  WipedArray<trickle::exporter_bytes> exporter;
  if (!session || !address || !key || !client.exporter(trickle::exporter_label, exporter.view())) {
    log_warning("{}: no session: {}", name_,
                session ? "the connection has gone" : session.error().message);
    no_session_before_ = Clock().now() + between_sessions;
    return;
  }
  server.address = *address;
  // At the same place in both families.
  reinterpret_cast<sockaddr_in&>(server.address).sin_port = htons(session->port);
  server.key = *key;
  server.lifetime = session->lifetime;
  std::vector<trickle::KeyedCookie> cookies;
  for (const trickle::Cookie& cookie : session->cookies) {
    trickle::KeyedCookie held{cookie, SecretBytes(trickle::keys_bytes)};
    trickle::session_keys(exporter.view(), shared_key_, session->nonce,
                          static_cast<unsigned>(cookies.size()), held.keys.view());
    cookies.push_back(std::move(held));
  }
  jar_.restart(server, cookies, now);
  new_session_ = false;
  ++counters_.sessions;
}

}  // namespace qanat::peers
