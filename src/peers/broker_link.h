// A connection to an Entropy Broker: our side of docs/protocols/broker.md. Blocking, for one
// thread.
#pragma once

#include <optional>

#include "base/waker.h"
#include "net/connect.h"
#include "wire/broker_session.h"

namespace qanat::peers {

// Reads the password of an account.
Result<wire::broker::User> read_broker_user(const wire::broker::Account& account);

class BrokerLink {
 public:
  enum class Role { consumer, producer };

  // Connects and logs in, within `timeout` each. An interrupted Error: `stop` was woken,
  // which ends whatever the link does later, too, and outlives it.
  static Result<BrokerLink> open(const spec::Address& address, const wire::broker::User& user,
                                 Role role, const Waker& stop, Duration timeout);

  // A consumer: waits until the broker has something, and writes 1 to out.size() bytes of it; their
  // number. 0 when the waker was woken: the question stands, and what comes is for the next call.
  // An Error when a question finds no answer, or an announced payload no end, for half a minute.
  Result<std::size_t> take(MutableBytes out, const Waker& waker);
  // From then on `take` gives up, with an Error, unless the broker has said meanwhile that it has
  // nothing: one that drips is of no use, one that is dry may be.
  void expect(TimePoint by) { deadline_ = by; }

  // A producer: how many of `bytes` the broker takes; none, and the time after which to ask again,
  // sooner if it says that it wants some. Empty when the waker was woken.
  struct Offer {
    std::size_t bytes = 0;
    Duration wait{};
  };
  Result<std::optional<Offer>> offer(std::size_t bytes, const Waker& waker);
  // What an offer was taken for, that many bytes.
  Result<void> deliver(Bytes bytes);
  // Sleeps until the broker wants something, `wait` is over, or the waker was woken.
  Result<void> rest(Duration wait, const Waker& waker);

  int descriptor() const { return fd_.get(); }
  // Of one payload, as the broker has said.
  std::size_t most_bytes() const { return most_bytes_; }

 private:
  BrokerLink() = default;

  Result<void> log_in(const wire::broker::User& user, Role role, Duration timeout);
  Result<void> send(Bytes bytes);
  // One more read; false when woken or when `end` has passed.
  Result<bool> read_some(const Waker& waker, std::optional<TimePoint> end);
  // At least so many bytes in the inbox by answer_by_; false when woken.
  Result<bool> fill(std::size_t bytes, const Waker& waker);
  // The next message, if one is there by `end`.
  Result<std::optional<wire::broker::Message>> next(const Waker& waker,
                                                    std::optional<TimePoint> end);
  // What may come at any time. True when the message was such.
  Result<bool> handle_unasked(const wire::broker::Message& message);
  void consume(std::size_t bytes);
  Result<void> lost(const std::string& what) const;

  std::string name_;
  const Waker* stop_ = nullptr;
  UniqueFd fd_;
  Clock clock_;
  std::optional<wire::broker::Session> session_;
  std::size_t most_bytes_ = 0;
  SecretBytes inbox_;
  std::size_t received_ = 0;
  SecretBytes frame_;         // sealed, to be sent; or opened
  std::size_t frame_at_ = 0;  // of an opened one: what was given out
  std::size_t frame_size_ = 0;
  bool asked_ = false;
  std::size_t coming_ = 0;  // bytes of the payload that was announced
  TimePoint ask_at_{};
  TimePoint answer_by_{};  // of the question, and then of the payload
  std::optional<TimePoint> deadline_;
};

}  // namespace qanat::peers
