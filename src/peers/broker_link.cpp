#include "peers/broker_link.h"

#include <fmt/core.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace qanat::peers {

namespace broker = wire::broker;
using broker::Code;
using broker::Message;
using wire::Status;
using namespace std::chrono_literals;

namespace {

// An answer, or the whole of a payload that was announced: slower than this is a broken path.
constexpr Duration answer_patience = 30s;
// A broker that says "in so many seconds" is asked again after this at the latest.
constexpr Duration longest_wait = 60s;

Duration wait_of(const Message& message) {
  return std::min<Duration>(std::chrono::seconds(message.value), longest_wait);
}

}  // namespace

Result<broker::User> read_broker_user(const broker::Account& account) {
  const auto text = read_secret_file(account.password_file);
  if (!text) return tl::unexpected(text.error());
  auto user = broker::parse_password_file(as_text(Bytes(text->view())), account.user);
  if (!user) return error(fmt::format("{} {}", account.password_file, user.error().message));
  return user;
}

Result<BrokerLink> BrokerLink::open(const spec::Address& address, const broker::User& user,
                                    Role role, const Waker& stop, Duration timeout) {
  auto fd = net::connect_tcp(address, stop, timeout);
  if (!fd) return tl::unexpected(fd.error());
  BrokerLink link;
  link.name_ = address.text();
  link.stop_ = &stop;
  link.fd_ = std::move(*fd);
  // A payload and the message after it.
  link.inbox_ = SecretBytes(std::max(broker::most_hello, broker::most_digest + broker::most_bytes) +
                            broker::message_bytes);
  if (auto done = link.log_in(user, role, timeout); !done) {
    return tl::unexpected(done.error());
  }
  return link;
}

Result<void> BrokerLink::lost(const std::string& what) const {
  return error(fmt::format("the broker {} {}", name_, what));
}

Result<void> BrokerLink::send(Bytes bytes) {
  const TimePoint end = clock_.now() + answer_patience;
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n > 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    } else if (errno == EAGAIN) {
      const Duration left = std::max(end - clock_.now(), Duration::zero());
      if (wait_for(fd_.get(), POLLOUT, *stop_, left) != Wake::ready) return lost("takes nothing");
    } else if (errno != EINTR) {
      return error(with_errno("cannot send to the broker " + name_, errno));
    }
  }
  return {};
}

Result<bool> BrokerLink::read_some(const Waker& waker, std::optional<TimePoint> end) {
  std::optional<Duration> left;
  if (end) left = std::max(*end - clock_.now(), Duration::zero());
  if (wait_for(fd_.get(), POLLIN, waker, left) != Wake::ready) return false;
  const MutableBytes room = inbox_.view().subspan(received_);
  const ssize_t n = ::recv(fd_.get(), room.data(), room.size(), 0);
  if (n > 0) {
    received_ += static_cast<std::size_t>(n);
    return true;
  }
  if (n == 0) return tl::unexpected(lost("closed the connection").error());
  if (errno == EINTR || errno == EAGAIN) return true;
  return tl::unexpected(Error{with_errno("cannot read from the broker " + name_, errno)});
}

Result<bool> BrokerLink::fill(std::size_t bytes, const Waker& waker) {
  while (received_ < bytes) {
    auto more = read_some(waker, answer_by_);
    if (!more) return more;
    if (*more) continue;
    if (clock_.now() >= answer_by_) return tl::unexpected(lost("stopped in the middle").error());
    return false;
  }
  return true;
}

void BrokerLink::consume(std::size_t bytes) {
  const MutableBytes in = inbox_.view().first(received_);
  std::copy(in.begin() + static_cast<std::ptrdiff_t>(bytes), in.end(), in.begin());
  received_ -= bytes;
  wipe(in.subspan(received_));
}

Result<void> BrokerLink::log_in(const broker::User& user, Role role, Duration timeout) {
  const TimePoint end = clock_.now() + timeout;
  broker::Hello hello;
  std::size_t used = 0;
  const auto inbox = [this] { return Bytes(inbox_.view()).first(received_); };
  for (;;) {
    const Status status = received_ == 0 ? Status::incomplete : decode(inbox(), hello, used);
    if (status == Status::complete) break;
    if (status == Status::malformed) return lost("speaks another protocol, or another version");
    const auto more = read_some(*stop_, end);
    if (!more) return tl::unexpected(more.error());
    if (!*more) return clock_.now() >= end ? lost("says nothing") : interrupted();
  }
  consume(used);
  try {
    session_.emplace(hello, user.password);
    const auto proof = broker::prove(hello.hash, hello.challenge, user.password);
    const auto words = encode(broker::Login{user.name, proof, role == Role::producer, "qanat"});
    if (auto sent = send(words); !sent) return sent;
  } catch (const Failure& problem) {
    return lost(fmt::format("wants what we cannot do: {}", problem.what()));
  }
  while (received_ < broker::integer_bytes) {
    const auto more = read_some(*stop_, end);
    // It says no word to a wrong password.
    if (!more) return lost(fmt::format("does not know {} with this password", user.name));
    if (!*more) return clock_.now() >= end ? lost("says nothing") : interrupted();
  }
  const std::uint32_t bits = broker::decode_integer(inbox());
  consume(broker::integer_bytes);
  most_bytes_ = std::min<std::size_t>(bits / 8, broker::most_bytes);
  if (most_bytes_ == 0) return lost("allows nothing");
  frame_ = SecretBytes(session_->sealed_bytes(broker::most_bytes));
  return {};
}

Result<std::optional<Message>> BrokerLink::next(const Waker& waker, std::optional<TimePoint> end) {
  for (;;) {
    Message message;
    std::size_t used = 0;
    const Status status = decode(Bytes(inbox_.view()).first(received_), message, used);
    if (status == Status::malformed) {
      return tl::unexpected(lost("sends what is not a message").error());
    }
    if (status == Status::complete) {
      consume(used);
      return message;
    }
    const auto more = read_some(waker, end);
    if (!more) return tl::unexpected(more.error());
    if (!*more) return std::optional<Message>();
  }
}

Result<bool> BrokerLink::handle_unasked(const Message& message) {
  if (message.is(Code::ping)) {
    const auto pong = encode(Code::pong, message.value);
    if (auto sent = send(pong); !sent) return tl::unexpected(sent.error());
    return true;
  }
  if (message.is(Code::kernel)) {
    // Ours is never short of anything.
    const auto head = encode(Code::filling, 3);
    std::vector<std::uint8_t> words(head.begin(), head.end());
    for (const char digit : {'2', '5', '6'}) words.push_back(static_cast<std::uint8_t>(digit));
    if (auto sent = send(words); !sent) return tl::unexpected(sent.error());
    return true;
  }
  return message.is(Code::available) || message.is(Code::wanted) || message.is(Code::all_full);
}

Result<std::size_t> BrokerLink::take(MutableBytes out, const Waker& waker) {
  for (;;) {
    if (frame_at_ < frame_size_) {
      const MutableBytes rest = frame_.view().subspan(frame_at_, frame_size_ - frame_at_);
      const std::size_t n = std::min(out.size(), rest.size());
      std::copy_n(rest.begin(), n, out.begin());
      wipe(rest.first(n));
      frame_at_ += n;
      return n;
    }
    if (coming_ > 0) {
      const std::size_t sealed = session_->sealed_bytes(coming_);
      const auto whole = fill(sealed, waker);
      if (!whole) return tl::unexpected(whole.error());
      if (!*whole) return std::size_t{0};
      const MutableBytes opened = session_->open(inbox_.view().first(sealed));
      if (opened.empty()) {
        return tl::unexpected(lost("sent a payload that was altered on the way").error());
      }
      std::copy(opened.begin(), opened.end(), frame_.view().begin());
      frame_at_ = 0;
      frame_size_ = opened.size();
      consume(sealed);
      coming_ = 0;
      asked_ = false;
      continue;
    }
    if (!asked_ && clock_.now() >= ask_at_) {
      const std::size_t wanted = std::min(out.size(), most_bytes_);
      const auto question = encode(Code::take, static_cast<std::uint32_t>(8 * wanted));
      if (auto sent = send(question); !sent) return tl::unexpected(sent.error());
      asked_ = true;
      answer_by_ = clock_.now() + answer_patience;
    }
    TimePoint end = asked_ ? answer_by_ : ask_at_;
    if (deadline_) end = std::min(end, *deadline_);
    const auto message = next(waker, end);
    if (!message) return tl::unexpected(message.error());
    if (!*message) {
      const TimePoint now = clock_.now();
      if (asked_ && now >= answer_by_) return tl::unexpected(lost("does not answer").error());
      if (deadline_ && now >= *deadline_) return tl::unexpected(lost("is too slow").error());
      if (!asked_ && now >= ask_at_) continue;
      return std::size_t{0};
    }
    if ((*message)->is(Code::deliver) && asked_) {
      const std::uint32_t bits = (*message)->value;
      coming_ = (std::size_t{bits} + 7) / 8;
      if (coming_ == 0 || coming_ > broker::most_bytes) {
        return tl::unexpected(lost("announces more than it may").error());
      }
      answer_by_ = clock_.now() + answer_patience;
    } else if ((*message)->is(Code::empty) || (*message)->is(Code::quota)) {
      asked_ = false;
      deadline_.reset();
      ask_at_ = clock_.now() + wait_of(**message);
    } else {
      const auto known = handle_unasked(**message);
      if (!known) return tl::unexpected(known.error());
      if (!*known) {
        return tl::unexpected(lost(fmt::format("says {:04}", (*message)->code)).error());
      }
      if ((*message)->is(Code::available)) ask_at_ = clock_.now();
    }
  }
}

Result<std::optional<BrokerLink::Offer>> BrokerLink::offer(std::size_t bytes, const Waker& waker) {
  bytes = std::min(bytes, most_bytes_);
  const auto question = encode(Code::deliver, static_cast<std::uint32_t>(8 * bytes));
  if (auto sent = send(question); !sent) return tl::unexpected(sent.error());
  const TimePoint end = clock_.now() + answer_patience;
  for (;;) {
    const auto message = next(waker, end);
    if (!message) return tl::unexpected(message.error());
    if (!*message) {
      if (clock_.now() >= end) return tl::unexpected(lost("does not answer an offer").error());
      return std::optional<Offer>();
    }
    if ((*message)->is(Code::take) || (*message)->is(Code::accepted)) {
      const std::size_t taken = (std::size_t{(*message)->value} + 7) / 8;
      if (taken == 0 || taken > bytes) {
        return tl::unexpected(lost("wants more than it was offered").error());
      }
      return Offer{taken, {}};
    }
    if ((*message)->is(Code::full)) return Offer{0, wait_of(**message)};
    const auto known = handle_unasked(**message);
    if (!known) return tl::unexpected(known.error());
    if (!*known) return tl::unexpected(lost(fmt::format("says {:04}", (*message)->code)).error());
  }
}

Result<void> BrokerLink::deliver(Bytes bytes) {
  const MutableBytes frame = frame_.view().first(session_->sealed_bytes(bytes.size()));
  std::copy(bytes.begin(), bytes.end(), frame.subspan(session_->digest_bytes()).begin());
  session_->seal(frame);
  auto sent = send(frame);
  wipe(frame);
  return sent;
}

Result<void> BrokerLink::rest(Duration wait, const Waker& waker) {
  const TimePoint end = clock_.now() + wait;
  for (;;) {
    const auto message = next(waker, end);
    if (!message) return tl::unexpected(message.error());
    if (!*message || (*message)->is(Code::wanted)) return {};
    const auto known = handle_unasked(**message);
    if (!known) return tl::unexpected(known.error());
  }
}

}  // namespace qanat::peers
