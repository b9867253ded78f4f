#include "outlets/broker_producer.h"

#include <fmt/core.h>

#include <algorithm>

namespace qanat::outlets {

using net::BrokerLink;
using wire::Grade;
using namespace std::chrono_literals;

namespace {

constexpr Duration connect_patience = 10s;
// A broker that was lost is looked for after the first, later less often.
constexpr Duration first_pause = 1s;
constexpr Duration longest_pause = 60s;
// Of grade full at once: a block of conditioner output.
constexpr std::size_t full_piece = 64;
constexpr std::size_t drbg_piece = 4096;
// While the node's DRBG has no seed.
constexpr Duration seed_pause = 200ms;

}  // namespace

BrokerProducer::BrokerProducer(std::string name, wire::broker::Account account, Grade grade,
                               const share::Terms& terms, const OutletServices& services)
    : name_(std::move(name)),
      account_(std::move(account)),
      grade_(grade),
      services_(services),
      flow_(services.dispenser.open_flow(name_, terms)) {
  if (grade == Grade::drbg) drbg_ = share::SeededDrbg::make(services.dispenser, 1, {});
}

BrokerProducer::~BrokerProducer() {
  stop();
  if (drbg_) drbg_->stop();
}

void BrokerProducer::start() {
  auto user = net::read_broker_user(account_);
  if (!user) throw Failure(fmt::format("{}: {}", name_, user.error().message));
  user_ = std::move(*user);
  if (drbg_) drbg_->pool().start();
  thread_ = std::thread([this] { run(); });
}

void BrokerProducer::stop() {
  stopping_ = true;
  stop_waker_.wake();
  bytes_waker_->wake();
  if (thread_.joinable()) thread_.join();
}

void BrokerProducer::tell(const std::string& problem) {
  bool news = false;
  {
    const std::scoped_lock lock(mutex_);
    news = problem_ != problem;
    problem_ = problem;
  }
  if (news && !problem.empty()) services_.on_event(name_, problem, true);
  if (news && problem.empty()) services_.on_event(name_, "connected", false);
}

void BrokerProducer::pause(Duration duration) {
  const TimePoint end = services_.clock.now() + duration;
  while (!stopping_) {
    const Duration left = end - services_.clock.now();
    if (left <= Duration::zero()) return;
    wait_for(-1, 0, stop_waker_, left);
  }
}

void BrokerProducer::run() {
  Duration gap = first_pause;
  while (!stopping_) {
    auto link = BrokerLink::open(account_.address, user_, BrokerLink::Role::producer, stop_waker_,
                                 connect_patience);
    if (link) {
      gap = first_pause;
      connected_ = 1;
      tell("");
      const auto ended = serve(*link);
      connected_ = 0;
      if (!ended) tell(ended.error().message);
    } else if (!link.error().message.empty()) {
      tell(link.error().message);
    }
    pause(gap);
    gap = std::min(2 * gap, longest_pause);
  }
}

// Until the outlet stops (then without an error) or the link is lost.
Result<void> BrokerProducer::serve(BrokerLink& link) {
  SecretBytes bytes(grade_ == Grade::full ? full_piece : drbg_piece);
  while (!stopping_) {
    // The bytes first: a broker that has said yes waits for no more than 15 s.
    share::Ticket place;
    if (grade_ == Grade::full) {
      place = services_.dispenser.request(flow_.id(), full_piece, services_.clock.now(),
                                          [waker = bytes_waker_] { waker->wake(); });
      while (!place.ready() && !stopping_) {
        const Wake wake = wait_for(link.descriptor(), POLLRDHUP, *bytes_waker_, std::nullopt);
        if (wake == Wake::ready) return error("the broker hung up");
        bytes_waker_->clear();
      }
    } else if (!drbg_->pool().generate(0, bytes.view(), services_.clock.now())) {
      pause(seed_pause);
      continue;
    }
    if (stopping_) return {};
    const auto offer = link.offer(bytes.size(), stop_waker_);
    if (!offer) return tl::unexpected(offer.error());
    if (!*offer) return {};
    if ((*offer)->bytes == 0) {
      ++not_wanted_;
      place = {};  // others may have them
      if (auto rested = link.rest((*offer)->wait, stop_waker_); !rested) return rested;
      continue;
    }
    const std::size_t count = (*offer)->bytes;
    share::Withdrawal withdrawal;
    if (grade_ == Grade::full) withdrawal = place.collect(bytes.view());
    auto delivered = link.deliver(bytes.view().first(count));
    wipe(bytes.view());
    if (!delivered) {
      undelivered_ += count;
      return delivered;
    }
    ++deliveries_;
    if (grade_ == Grade::full) {
      withdrawal.delivered(count);
      full_bytes_ += count;
    } else {
      drbg_bytes_ += count;
    }
  }
  return {};
}

OutletReport BrokerProducer::report() const {
  OutletReport report{.name = name_,
                      .detail = connected_ > 0 ? "connected" : "not connected",
                      .problem = {},
                      .refused = {}};
  report.connections = connected_;
  report.deliveries = deliveries_;
  report.full_bytes = full_bytes_;
  report.drbg_bytes = drbg_bytes_;
  report.refused["undelivered_bytes"] = undelivered_;
  report.refused["not_wanted"] = not_wanted_;
  const std::scoped_lock lock(mutex_);
  report.problem = problem_;
  return report;
}

}  // namespace qanat::outlets
