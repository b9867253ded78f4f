// Seeds by trickle: a session over HTTPS once, then a datagram there and one back.
// docs/trickle.md, The client.
#pragma once

#include <atomic>
#include <string>

#include "peers/cookie_jar.h"
#include "peers/http_client.h"
#include "wire/trickle_question.h"

namespace qanat::peers {

// Relaxed: statistics only.
struct TrickleClientCounters {
  std::atomic<std::uint64_t> sessions{0};
  std::atomic<std::uint64_t> sent{0};      // datagrams
  std::atomic<std::uint64_t> answered{0};  // questions
  std::atomic<std::uint64_t> refused{0};
  std::atomic<std::uint64_t> silent{0};  // questions that nobody answered
  std::atomic<std::uint64_t> strays{0};  // datagrams that answered nothing
};

// One thread at a time, but for `counters`.
class TrickleClient {
 public:
  // The directory in which the cookies of hubs are kept; empty: in memory alone. `random`: for
  // ids and jitter; a test gives two clients the same, as two copies of a machine have it.
  TrickleClient(const Endpoint& endpoint, const std::string& cookie_directory, const Waker& waker,
                wire::trickle::Question::FillRandom random = crypto_random());

  // Asks for out.size() bytes, at most most_bytes, and fills `out`; the grade that came.
  // Trouble::unreachable means "not by this way, now": there are no cookies, nobody answers, or a
  // session is over; ask over HTTPS. `busy` is the hub's word, as over HTTPS, but that grade full
  // is not waited for: "not now" is `unreachable` too.
  static constexpr std::size_t most_bytes = 1004;  // beside one cookie
  tl::expected<wire::trickle::Grade, ClientError> ask(MutableBytes out, wire::trickle::Grade grade);

  // After an exchange over HTTPS that went well: begins a session on that connection if cookies are
  // short. When a question had found no answer before, datagrams do not get through where HTTPS
  // does, and are left alone for ten minutes.
  void refill(HttpClient& client);

  // This process or its machine may be a copy: the next answer, one round trip away, replaces every
  // cookie, as the first does. But it travels under keys that the other copy has too, and so has
  // whoever has the snapshot: so the next `refill` begins a new session.
  void renew() {
    renew_ = true;
    new_session_ = true;
  }
  bool wants_session() const { return new_session_; }

  // The key of the hub whose cookies these are.
  std::optional<crypto::Pin> server_key();
  const TrickleClientCounters& counters() const { return counters_; }

 private:
  static wire::trickle::Question::FillRandom crypto_random();
  enum class Heard { answer, silence, stop };
  Heard exchange(int fd, wire::trickle::Question& question, wire::trickle::Answer& answer);
  tl::unexpected<ClientError> refusal(const wire::trickle::Answer& answer);

  const std::string name_;  // for people
  const bool possible_;     // the endpoint has what a session needs
  const Bytes shared_key_;  // the endpoint's
  const Waker& waker_;
  const wire::trickle::Question::FillRandom random_;
  CookieJar jar_;
  bool renew_ = true;
  bool new_session_ = false;
  bool unanswered_ = false;  // the last question
  TimePoint no_session_before_{};
  TrickleClientCounters counters_;
};

}  // namespace qanat::peers
