#include "outlets/broker/producer.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/work_loop.h"

namespace qanat::outlets {

using peers::BrokerLink;
using namespace std::chrono_literals;

namespace {

constexpr Duration connect_patience = 10s;
// A broker that was lost is looked for after the first, later less often.
constexpr Duration first_pause = 1s;
constexpr Duration longest_pause = 60s;

}  // namespace

BrokerProducer::BrokerProducer(std::string name, wire::broker::Account account, spec::Grade grade,
                               const share::Terms& terms, const serve::OutletServices& services)
    : name_(std::move(name)),
      account_(std::move(account)),
      services_(services),
      draw_(name_, grade, terms, services) {}

BrokerProducer::~BrokerProducer() { stop(); }

void BrokerProducer::start() {
  auto user = peers::read_broker_user(account_);
  if (!user) throw Failure(fmt::format("{}: {}", name_, user.error().message));
  user_ = std::move(*user);
  draw_.start();
  thread_ = std::thread([this] {
    run_work([this] { run(); },
             [this](const std::string& why) {
               connected_ = 0;
               draw_.forgo();
               tell(why);
             },
             [this](Duration gap) {
               pause(gap);
               return !draw_.stopped();
             });
  });
}

void BrokerProducer::stop() {
  draw_.stop();
  stop_waker_.wake();
  if (thread_.joinable()) thread_.join();
}

void BrokerProducer::tell(const std::string& problem) {
  bool news = false;
  {
    const MutexLock lock(mutex_);
    news = problem_ != problem;
    problem_ = problem;
  }
  if (news && !problem.empty()) services_.on_event(name_, problem, EventKind::warning);
  if (news && problem.empty()) services_.on_event(name_, "connected", EventKind::note);
}

void BrokerProducer::pause(Duration duration) {
  const TimePoint end = services_.clock.now() + duration;
  while (!draw_.stopped()) {
    const Duration left = end - services_.clock.now();
    if (left <= Duration::zero()) return;
    wait_for(-1, 0, stop_waker_, left);
  }
}

void BrokerProducer::run() {
  Duration gap = first_pause;
  while (!draw_.stopped()) {
    auto link = BrokerLink::open(account_.address, user_, BrokerLink::Role::producer, stop_waker_,
                                 connect_patience);
    if (link) {
      gap = first_pause;
      connected_ = 1;
      tell("");
      const auto ended = serve(*link);
      draw_.forgo();
      connected_ = 0;
      if (!ended) tell(ended.error().message);
    } else if (!link.error().interrupted) {
      tell(link.error().message);
    }
    pause(gap);
    gap = std::min(2 * gap, longest_pause);
  }
}

// Until the outlet stops (then without an error) or the link is lost.
Result<void> BrokerProducer::serve(BrokerLink& link) {
  while (!draw_.stopped()) {
    // The bytes first: a broker that has said yes waits for no more than 15 s.
    const serve::ThreadDraw::Turn turn = draw_.await_turn(link.descriptor());
    if (turn == serve::ThreadDraw::Turn::hung_up) return error("the broker hung up");
    if (turn == serve::ThreadDraw::Turn::stopped) return {};
    const auto offer = link.offer(draw_.piece_bytes(), stop_waker_);
    if (!offer) return tl::unexpected(offer.error());
    if (!*offer) return {};
    if ((*offer)->bytes == 0) {
      ++not_wanted_;
      draw_.forgo();
      if (auto rested = link.rest((*offer)->wait, stop_waker_); !rested) return rested;
      continue;
    }
    const std::size_t count = (*offer)->bytes;
    serve::ThreadDraw::Piece piece = draw_.take();
    auto delivered = link.deliver(piece.bytes().first(count));
    if (!delivered) return delivered;
    piece.arrived(count);
  }
  return {};
}

observe::OutletReport BrokerProducer::report() const {
  observe::OutletReport report{.name = name_,
                               .detail = connected_ > 0 ? "connected" : "not connected",
                               .problem = {},
                               .refused = {}};
  report.connections = connected_;
  draw_.report(report);
  report.refused["undelivered_bytes"] = draw_.counters().undelivered;
  report.refused["not_wanted"] = not_wanted_;
  const MutexLock lock(mutex_);
  report.problem = problem_;
  return report;
}

}  // namespace qanat::outlets
