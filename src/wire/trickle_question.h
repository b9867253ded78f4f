// The client's side of trickle, without its socket: one question, what to send and when, and what
// of all that arrives is its answer. docs/trickle.md, The client.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "wire/trickle.h"

namespace qanat::wire::trickle {

// Fresh cookies that a reply has room for beside so many bytes.
constexpr unsigned room_for_cookies(std::size_t bytes) {
  const std::size_t room = most_datagram - std::min(most_datagram, reply_bytes(bytes, 0));
  return std::min(most_cookies, static_cast<unsigned>(room / (fresh_bytes + cookie_bytes)));
}

// Sends up to five datagrams, each with an id of its own, the last three with another cookie. The
// first answer to any of them ends it; one that comes late is none the worse.
class Question {
 public:
  struct Wanted {
    std::size_t bytes = 64;
    Grade grade = Grade::drbg;
    unsigned cookies = 1;
  };
  // nullopt when there are no more.
  using TakeCookie = std::function<std::optional<KeyedCookie>()>;
  // Ids, and the jitter of the back-off.
  using FillRandom = std::function<void(MutableBytes)>;

  // Precondition: bytes > 0 and cookies <= room_for_cookies(bytes).
  Question(const Wanted& wanted, TakeCookie take_cookie, FillRandom random)
      : wanted_(wanted), take_cookie_(std::move(take_cookie)), random_(std::move(random)) {}

  // What is to be sent now; nullopt when nothing is, yet or any more.
  std::optional<std::vector<std::uint8_t>> due(TimePoint now);
  // When the next is due; after the last, when to give up.
  TimePoint next() const { return next_; }
  // Whether nobody will answer any more, or there was no cookie to ask with.
  bool over(TimePoint now) const { return ended_ || (asked_.size() == most_asked && now >= next_); }

  // Whether this datagram is the answer to what was asked, which is then in `answer`. False for
  // everything else, and from then on.
  bool take(Bytes datagram, Answer& answer);
  // The cookies that came with it, each with its keys.
  std::vector<KeyedCookie> fresh(const Answer& answer) const;
  // After silence: the cookies that were sent and, as far as we know, not spent.
  std::vector<KeyedCookie> unspent() { return std::move(cookies_); }

  std::size_t sent() const { return asked_.size(); }

 private:
  static constexpr std::size_t most_asked = 5;
  struct Asked {
    Id id{};
    std::size_t cookie = 0;  // its place in cookies_
  };

  const Wanted wanted_;
  const TakeCookie take_cookie_;
  const FillRandom random_;
  std::vector<KeyedCookie> cookies_;
  std::vector<Asked> asked_;
  std::size_t answered_ = 0;  // the cookie's place
  TimePoint next_{};
  bool ended_ = false;
};

}  // namespace qanat::wire::trickle
