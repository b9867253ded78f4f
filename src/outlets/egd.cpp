#include "outlets/egd.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "outlets/plans.h"
#include "serve/nameless.h"
#include "serve/stream_connection.h"
#include "wire/egd.h"

namespace qanat::outlets {

namespace asio = boost::asio;
namespace egd = wire::egd;
using egd::Verb;
using spec::Grade;
using namespace std::chrono_literals;

namespace {

// Commands that a peer has sent ahead: sixteen of the longest.
constexpr std::size_t inbox_bytes = 16 * egd::most_command;
// Answers that leave together.
constexpr std::size_t outbox_bytes = 16384;
// What a client may think is there, at grade drbg: as much as a full pool of the original.
constexpr std::uint64_t drbg_level_bits = 32768;
// A peer that has asked so many times in a row within this time of the last answer is looked for
// without sleeping, for as long, as KVM polls before it halts (halt_poll_ns). An emulated guest
// asks again after 80 to 300 us, and waking a thread on a core that sleeps takes another 50: with
// it bench/qemu measures 0.65 of rng-random, so 1.04 to 1.24. It costs a millisecond of a core
// after the last request of a burst.
constexpr Duration poll_window = 1ms;
constexpr unsigned poll_after = 4;

class EgdWorker;

class EgdConnection final : public serve::StreamConnection {
 public:
  EgdConnection(EgdWorker& worker, serve::Arrival arrival);

  Task<void> run();

 private:
  Task<net::IoResult> read_next();
  Task<net::IoResult> poll_for_next();
  Task<bool> answer(const egd::Command& command);
  Task<bool> answer_full(const egd::Command& command);
  Task<bool> answer_drbg(const egd::Command& command);
  Task<bool> answer_partly(const egd::Command& command);
  Task<bool> reply(Bytes bytes);
  Task<bool> flush();

  EgdWorker& egd_;
  std::array<std::uint8_t, inbox_bytes> inbox_;
  std::size_t received_ = 0;
  bool partial_ = false;  // the deadline of half a command holds
  unsigned quick_ = 0;    // times in a row that it asked within poll_window
  SecretPool::Lease outbox_;
  std::size_t pending_ = 0;       // of outbox_
  std::size_t pending_drbg_ = 0;  // bytes of grade drbg among them
};

class EgdWorker final : public serve::StreamWorker {
 public:
  EgdWorker(const serve::StreamSettings& settings, const serve::OutletServices& services,
            share::Visitors& visitors, asio::io_context& context, std::size_t slot,
            UniqueFd listener)
      : serve::StreamWorker(settings.limits, services, visitors, context, slot,
                            std::move(listener)),
        settings_(settings),
        pool_(outbox_bytes) {}

 private:
  friend class EgdConnection;

  asio::awaitable<void> serve(serve::Arrival arrival) override {
    EgdConnection connection(*this, std::move(arrival));
    co_await connection.run();
  }

  const serve::StreamSettings& settings_;
  SecretPool pool_;
  bool polling_ = false;  // one of its connections does: no second one
};

// On a UNIX socket a peer that has gone shows as such; one that only ended its half (printf ... |
// socat) waits for its answer.
EgdConnection::EgdConnection(EgdWorker& worker, serve::Arrival arrival)
    : serve::StreamConnection(
          worker, std::move(arrival),
          worker.settings_.at.unix_path.empty() ? PeerEnd::is_whole : PeerEnd::may_be_half),
      egd_(worker) {}

asio::awaitable<void> EgdConnection::run() {
  bool more = false;
  while (!ending()) {
    if (turn_is_over()) co_await take_turns();
    net::IoResult got;
    if (more) {
      got = transport_.read(MutableBytes(inbox_).subspan(received_));
    } else {
      got = co_await read_next();
    }
    more = got.status == net::IoStatus::ok && received_ + got.bytes == inbox_.size();
    if (got.status == net::IoStatus::want_read) continue;
    if (got.status != net::IoStatus::ok) co_return;
    received_ += got.bytes;
    begin_work();
    std::size_t at = 0;
    for (;;) {
      egd::Command command;
      std::size_t used = 0;
      const auto status = decode(Bytes(inbox_).first(received_).subspan(at), command, used);
      if (status == wire::Status::malformed) {
        ++egd_.counters_.malformed;
        co_await flush();
        co_return;
      }
      if (status == wire::Status::incomplete) break;
      at += used;
      partial_ = false;
      const bool answered = co_await answer(command);
      if (!answered) co_return;
      if (turn_is_over()) co_await take_turns();
    }
    std::copy(inbox_.begin() + static_cast<std::ptrdiff_t>(at),
              inbox_.begin() + static_cast<std::ptrdiff_t>(received_), inbox_.begin());
    received_ -= at;
    const bool sent = co_await flush();
    if (!sent) co_return;
    end_work();
  }
}

asio::awaitable<net::IoResult> EgdConnection::read_next() {
  const TimePoint answered = egd_.services_.clock.now();
  if (quick_ >= poll_after && !egd_.polling_) {
    const net::IoResult got = co_await poll_for_next();
    if (got.status != net::IoStatus::want_read) co_return got;
    quick_ = 0;
  }
  // An idle client is none the worse: QEMU asks when its guest does. Half a command has its time
  // from its first byte on, however the rest drips.
  if (received_ == 0) {
    deadline_ = TimePoint::max();
    partial_ = false;
  } else if (!std::exchange(partial_, true)) {
    arm(egd_.limits_.header);
  }
  const net::IoResult got = co_await receive(MutableBytes(inbox_).subspan(received_));
  quick_ = egd_.services_.clock.now() - answered < poll_window ? quick_ + 1 : 0;
  co_return got;
}

// Without sleeping; others of the thread have their turn in between.
asio::awaitable<net::IoResult> EgdConnection::poll_for_next() {
  const TimePoint end = egd_.services_.clock.now() + poll_window;
  egd_.polling_ = true;
  net::IoResult got = transport_.read(MutableBytes(inbox_).subspan(received_));
  while (got.status == net::IoStatus::want_read && !closing() && egd_.services_.clock.now() < end) {
    co_await asio::post(egd_.context_, asio::use_awaitable);
    got = transport_.read(MutableBytes(inbox_).subspan(received_));
  }
  egd_.polling_ = false;
  co_return got;
}

// False when the connection must end.
asio::awaitable<bool> EgdConnection::answer(const egd::Command& command) {
  const bool full = egd_.settings_.grade == Grade::full;
  switch (command.verb) {
    case Verb::level: {
      const std::uint64_t bits = full ? 8 * egd_.services_.dispenser.available() : drbg_level_bits;
      const auto level = egd::encode_level(bits);
      co_return co_await reply(level);
    }
    case Verb::process: {
      std::string text = fmt::format(" {}", ::getpid());
      text.front() = static_cast<char>(text.size() - 1);
      co_return co_await reply(as_bytes(text));
    }
    case Verb::add:
      // Mixed in, and worth nothing: whoever reaches the socket may say anything.
      egd_.services_.key.mix("egd", command.data);
      co_return true;
    case Verb::wait:
      if (command.bytes == 0) co_return true;
      if (full) co_return co_await answer_full(command);
      co_return co_await answer_drbg(command);
    case Verb::read:
      if (full) co_return co_await answer_partly(command);
      co_return co_await answer_drbg(command);
  }
  co_return true;
}

asio::awaitable<bool> EgdConnection::answer_drbg(const egd::Command& command) {
  const TimePoint now = egd_.services_.clock.now();
  const Duration over = charge(egd_.limits_.drbg_request + command.bytes);
  if (over > Duration::zero()) {
    // There is no word for "later" but to be late.
    const bool sent = co_await flush();
    if (!sent) co_return false;
    ++egd_.counters_.over_share;
    co_await pause(now + over);
  }
  std::array<std::uint8_t, 1 + egd::most_bytes> bytes;
  const bool counted = command.verb == Verb::read;
  const std::size_t head = counted ? 1 : 0;
  const MutableBytes random = MutableBytes(bytes).subspan(head, command.bytes);
  bool seeded = egd_.services_.drbg.generate(egd_.slot_, random, now);
  const TimePoint end = now + egd_.limits_.line;
  while (!seeded && !counted && !closing()) {
    if (egd_.services_.clock.now() >= end) {
      ++egd_.counters_.unavailable;
      co_return false;
    }
    co_await pause(egd_.services_.clock.now() + 100ms);
    seeded = egd_.services_.drbg.generate(egd_.slot_, random, egd_.services_.clock.now());
  }
  const std::size_t given = seeded ? command.bytes : 0;
  bytes[0] = counted ? static_cast<std::uint8_t>(given) : bytes[0];
  const Bytes whole = Bytes(bytes).first(head + given);
  const bool replied = co_await reply(whole);
  pending_drbg_ += given;
  wipe(bytes);
  co_return replied && !closing();
}

asio::awaitable<bool> EgdConnection::answer_full(const egd::Command& command) {
  const bool sent = co_await flush();
  if (!sent) co_return false;
  auto drawn = co_await draw(command.bytes, egd_.limits_.line);
  if (!drawn) {
    // There is no word for "no": what waits behind this command is not held up for ever.
    if (!closing()) ++egd_.counters_.unavailable;
    co_return false;
  }
  const Bytes bytes = drawn->bytes.view();
  const bool written = co_await deliver(bytes, drawn->delivery);
  if (written) ++egd_.counters_.deliveries;
  co_return written;
}

// As many as there are for us at once.
asio::awaitable<bool> EgdConnection::answer_partly(const egd::Command& command) {
  const bool sent = co_await flush();
  if (!sent) co_return false;
  const auto lease = egd_.pool_.lease();
  auto drawn = draw_now(command.bytes);
  const Bytes random = drawn ? drawn->bytes.view() : MutableBytes();
  const MutableBytes whole = lease.view().first(1 + random.size());
  whole[0] = static_cast<std::uint8_t>(random.size());
  std::copy(random.begin(), random.end(), whole.subspan(1).begin());
  serve::Delivery nothing;
  serve::Delivery& delivery = drawn ? drawn->delivery : nothing;
  const bool written = co_await deliver(whole, delivery);
  wipe(whole);
  if (written) ++egd_.counters_.deliveries;
  co_return written;
}

asio::awaitable<bool> EgdConnection::reply(Bytes bytes) {
  if (pending_ + bytes.size() > outbox_bytes) {
    const bool sent = co_await flush();
    if (!sent) co_return false;
  }
  if (pending_ == 0) outbox_ = egd_.pool_.lease();
  std::copy(bytes.begin(), bytes.end(),
            outbox_.view().begin() + static_cast<std::ptrdiff_t>(pending_));
  pending_ += bytes.size();
  ++egd_.counters_.deliveries;
  co_return true;
}

asio::awaitable<bool> EgdConnection::flush() {
  if (pending_ == 0) co_return true;
  const MutableBytes whole = outbox_.view().first(pending_);
  const bool written = co_await write(whole);
  wipe(whole);
  pending_ = 0;
  outbox_ = {};
  const std::size_t random = std::exchange(pending_drbg_, 0);
  if (written) count_drbg(random);
  co_return written;
}

}  // namespace

std::unique_ptr<serve::Outlet> make_egd(serve::StreamSettings settings,
                                        const serve::OutletServices& services) {
  return std::make_unique<serve::NamelessOutlet<EgdWorker>>(std::move(settings), services);
}

namespace {

OutletPlan read_egd(const spec::Spec& spec, const OutletDefaults& defaults) {
  return plan_stream(serve::read_stream(spec, defaults.limits, {.usual_port = egd::usual_port}),
                     make_egd);
}

}  // namespace

extern const OutletType egd_type{
    .name = "egd",
    .options = "grade mode group connections access",
    .summary = "EGD, on a UNIX socket or //HOST:PORT (docs/protocols/egd.md)",
    .read = read_egd,
};

}  // namespace qanat::outlets
