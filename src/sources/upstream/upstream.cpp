#include "sources/upstream/upstream.h"

#include <fmt/core.h>

#include <algorithm>
#include <new>
#include <set>
#include <utility>

#include "crypto/aead.h"
#include "entropy/drbg_pool.h"

namespace qanat::sources {

using entropy::Combiner;
using entropy::SourceState;
using peers::ClientError;
using peers::Trouble;
using namespace std::chrono_literals;

namespace {

// Between two seeds of a pollen server, for a node that would fill its reserve from it: many
// machines share such a one, and it counts on one question a boot.
constexpr Duration pollen_interval = 10s;
// A hub that returns meets at most a tenth of its clients in its first second: simulated with
// 10,000 in tests/scenario.
constexpr Duration backoff_base = 5s;
constexpr Duration backoff_cap = 5min;
// One that answers, and has nothing for us now, has said when to come back.
constexpr Duration busy_base = 2s;
constexpr Duration busy_cap = 30s;
// Whatever a server says: neither at once, nor never.
constexpr Duration least_pause = 1s;
constexpr unsigned longest_retry_after = 3600;

Backoff new_backoff(Duration base, Duration cap) {
  return {base, cap, crypto::random_seed(), least_pause};
}

}  // namespace

void check_quorum(const std::vector<peers::Endpoint>& endpoints, std::size_t quorum) {
  if (quorum < 2) return;
  // An endpoint that is trusted by a CA shows its key only when it is there.
  std::set<crypto::Pin> pins;
  std::size_t possible = 0;
  for (const peers::Endpoint& endpoint : endpoints) {
    const bool counts =
        endpoint.tls && (!endpoint.trust.pin || pins.insert(*endpoint.trust.pin).second);
    possible += counts ? 1U : 0U;
  }
  if (possible >= quorum) return;
  throw Failure(fmt::format(
      "a quorum of {} needs as many upstreams with different keys; of these {}, {} can count "
      "(https or join strings, each key once)",
      quorum, endpoints.size(), possible));
}

Upstream::Upstream(std::string name, std::vector<peers::Endpoint> endpoints,
                   UpstreamSettings settings, const SourceServices& services)
    : name_(std::move(name)),
      settings_(settings),
      services_(services),
      account_(services.dispenser.open_source(name_)),
      held_(settings.quorum),
      epoch_(services.dispenser.epoch()),
      relay_(services.dispenser, services.key, account_,
             {.credit = settings.credit, .own_use = services.seeds}),
      combiner_(services.key, settings.quorum, static_cast<std::uint16_t>(account_)),
      block_(peers::TransferSize::most),
      state_(name_, account_, services_) {
  check_quorum(endpoints, settings.quorum);
  polite_ = !services.seeds && std::any_of(endpoints.begin(), endpoints.end(),
                                           [](const auto& endpoint) { return endpoint.pollen; });
  for (peers::Endpoint& endpoint : endpoints) {
    links_.push_back(
        {std::make_unique<UpstreamWorker>(std::move(endpoint), services.provenance.own(),
                                          services.cookie_directory, [this] { waker_.wake(); }),
         new_backoff(backoff_base, backoff_cap), new_backoff(busy_base, busy_cap)});
  }
}

Upstream::~Upstream() {
  request_stop();
  try {
    services_.provenance.set(account_, {});
  } catch (const std::bad_alloc&) {
    return;  // it is named until another's path changes
  }
}

void Upstream::start() {
  for (const Link& link : links_) link.worker->start();
  thread_.start([this] { run(); },
                [this](const std::string& why) {
                  renew_.store(true);
                  state_.set(SourceState::failed, why, false);
                },
                waker_, services_.clock);
}

void Upstream::request_stop() {
  thread_.request_stop();
  for (const Link& link : links_) link.worker->request_stop();
  waker_.wake();
}

bool Upstream::join(Duration limit) {
  const TimePoint end = Clock().now() + limit;
  bool all = thread_.join(limit);
  for (const Link& link : links_) {
    all = link.worker->join(std::max(end - Clock().now(), Duration::zero())) && all;
  }
  return all;
}

void Upstream::renew() {
  renew_.store(true);
  for (const Link& link : links_) link.worker->renew();
  waker_.wake();
}

void Upstream::run() {
  while (!thread_.stopping()) {
    thread_.turn(services_.clock.now());
    waker_.clear();
    if (renew_.exchange(false) || services_.dispenser.epoch() != epoch_) begin_anew();
    collect();
    deliver();
    if (thread_.stopping()) return;
    std::optional<Duration> until;
    if (services_.dispenser.demand() && services_.dispenser.wanted() > 0) {
      at_rest_.store(false);
      until = std::max<Duration>(ask() - services_.clock.now(), 1ms);
    } else {
      rest();
    }
    thread_.rest();
    wait_for(-1, 0, waker_, until);
  }
}

// Until bytes are wanted.
void Upstream::rest() {
  satisfied_ = satisfied_ || credited_;
  bool preparing = false;
  for (Link& link : links_) {
    const bool idle = link.worker->idle();
    if (services_.seeds && idle && (link.unprepared || link.worker->link().wants_session())) {
      link.worker->ask({.epoch = epoch_});
      preparing = true;
    }
    preparing = preparing || (!idle && !link.asked);
  }
  at_rest_.store(!preparing);
}

// A copy of this machine would go on with the same keys on its connections, and try at the same
// times.
void Upstream::begin_anew() {
  epoch_ = services_.dispenser.epoch();
  for (const Contribution& given : held_.give_up()) state_.count_outdated(given.bytes.size());
  rest_until_ = {};
  for (Link& link : links_) {
    link.backoff = new_backoff(backoff_base, backoff_cap);
    link.busy_backoff = new_backoff(busy_base, busy_cap);
    link.not_before = {};
  }
}

void Upstream::collect() {
  for (std::size_t index = 0; index < links_.size(); ++index) {
    if (auto answer = links_[index].worker->take()) take(index, std::move(*answer));
  }
}

void Upstream::take(std::size_t index, UpstreamWorker::Answer answer) {
  Link& link = links_[index];
  if (answer.question.bytes == 0) {
    link.unprepared = false;
    return;
  }
  link.asked = false;
  link.unprepared = true;
  // Before a renewal: the other copy has it, too.
  if (answer.question.epoch != epoch_) return state_.count_outdated(answer.bytes.size());
  if (!answer.transfer) return fail(link, answer.question.bytes, answer.transfer.error());
  link.slow = answer.took >= slow_after;
  link.trouble.reset();
  state_.count_bytes(answer.bytes.size());
  const double took = seconds(answer.took);
  // Of the last few transfers: each counts a quarter.
  const double rate = took > 0 ? static_cast<double>(answer.bytes.size()) / took : 0;
  rate_ = rate_ == 0 ? rate : rate_ + (rate - rate_) / 4;
  keep(index, answer);
}

void Upstream::fail(Link& link, std::size_t asked, const ClientError& error) {
  if (error.trouble == Trouble::stopped) return;
  const TimePoint now = services_.clock.now();
  const bool busy = error.trouble == Trouble::busy;
  link.problem = last_problem_ = error.message;
  link.trouble = error.trouble;
  // Of one among several the state says nothing.
  if (!busy && !std::exchange(link.told, true) && links_.size() > 1) {
    services_.on_event(name_, link.problem, EventKind::warning);
  }
  // Too much at once for our share there, perhaps.
  if (busy && transfer_size_.refused(asked)) return;
  // At least as long as the server said, and never all clients in the same moment.
  const Duration told = std::chrono::seconds(std::min(error.retry_after, longest_retry_after));
  link.not_before = now + told + (busy ? link.busy_backoff : link.backoff).next();
}

// What came, if it is worth something, until there is enough for a credit.
void Upstream::keep(std::size_t index, UpstreamWorker::Answer& answer) {
  Link& link = links_[index];
  const bool quorum = settings_.quorum > 1;
  const std::string name = link.worker->link().name();
  std::string distrust = answer.transfer->distrust;
  if (quorum && distrust.empty() && !answer.key) {
    distrust = name + " has no key, and counts for no quorum";
  }
  if (quorum && distrust.empty() && held_.has_key(*answer.key)) {
    distrust = name + " has the key of another one here: they are one upstream";
  }
  if (!distrust.empty()) {
    // Another may do better; this one is asked again when none does.
    link.problem = last_problem_ = distrust;
    link.trouble = Trouble::protocol;
    link.not_before = services_.clock.now() + link.backoff.next();
    return reject(answer.bytes.view(), distrust);
  }
  link.problem.clear();
  link.told = false;
  link.backoff.reset();
  link.busy_backoff.reset();
  transfer_size_.answered(answer.took);
  if (!quorum) current_ = index;
  // What is worth nothing, or was not made for filling a reserve, is not fetched as fast as it
  // comes.
  const Duration pause = polite_            ? pollen_interval
                         : settings_.credit ? Duration::zero()
                                            : entropy::Intake::uncredited_interval;
  rest_until_ = services_.clock.now() + pause;
  // Asked for when rounds were of another size.
  if (quorum && answer.bytes.size() != round_blocks_ * Combiner::share_bytes) {
    services_.key.mix("late", answer.bytes.view());
    return;
  }
  held_.add(
      {index, answer.key, std::move(answer.bytes), answer.full, std::move(answer.transfer->path)});
}

// Credits what is enough for it. What is kept while nobody wants any is as good later.
void Upstream::deliver() {
  while (held_.enough() && services_.dispenser.wanted() > 0) {
    std::vector<Contribution> given = held_.take();
    if (settings_.quorum == 1) {
      credit(given.front().bytes.view(), given.front().full, std::move(given.front().path));
      continue;
    }
    std::vector<Bytes> contributions;
    bool full = true;
    std::vector<const wire::Path*> paths;
    for (const Contribution& each : given) {
      contributions.push_back(each.bytes.view());
      full = full && each.full;
      paths.push_back(&each.path);
    }
    // Drawn after the upstreams have committed themselves to their bytes.
    WipedArray<TimingNoise::local_bytes> local;
    noise_.fill_with_times(local.view());
    const MutableBytes out = block_.view().first(round_blocks_ * entropy::block_bytes);
    combiner_.combine(contributions, local.view(), out);
    credit(out, full, entropy::nearest_first({}, paths));
    wipe(out);
  }
}

void Upstream::reject(Bytes bytes, const std::string& why) {
  relay_.reject(bytes);
  state_.count_alarm();
  state_.set(SourceState::suspect, why + ": mixed in, not credited", false);
}

void Upstream::credit(MutableBytes bytes, bool full, wire::Path path) {
  // Before the bytes can be drawn by anybody.
  if (settings_.credit && path != path_) {
    path_ = std::move(path);
    services_.provenance.set(account_, path_);
  }
  const TimePoint now = services_.clock.now();
  entropy::Relay::Outcome outcome{};
  if (settings_.quorum == 1) {
    // Drawn after the upstream has committed itself to its bytes.
    WipedArray<TimingNoise::local_bytes> local;
    noise_.fill_with_times(local.view());
    outcome = relay_.credit(bytes, full, local.view(), epoch_, now);
  } else {
    outcome = relay_.credit_combined(bytes, full, epoch_, now);
  }
  if (outcome == entropy::Relay::Outcome::outdated) return state_.count_outdated(bytes.size());
  credited_ = credited_ || outcome == entropy::Relay::Outcome::credited;
  set_healthy();
}

// With what is wrong with some of them, while others do.
void Upstream::set_healthy() {
  std::string problems;
  for (const Link& link : links_) {
    if (!link.problem.empty()) problems += (problems.empty() ? "" : "; ") + link.problem;
  }
  state_.set(SourceState::healthy, problems, false);
}

observe::SourceReport Upstream::report() const {
  entropy::BlockTests::Counts blocks;
  std::map<std::string, std::uint64_t> trickle;
  for (const Link& each : links_) {
    const UpstreamLink& link = each.worker->link();
    blocks += link.blocks();
    const peers::TrickleClientCounters& counters = link.trickle();
    for (const auto& [what, count] :
         {std::pair{"sessions", &counters.sessions}, std::pair{"sent", &counters.sent},
          std::pair{"answered", &counters.answered}, std::pair{"refused", &counters.refused},
          std::pair{"silent", &counters.silent}, std::pair{"strays", &counters.strays}}) {
      trickle[what] += *count;
    }
  }
  observe::SourceReport report = state_.report();
  report.last_turn = thread_.last_turn(services_.clock.now());
  report.rate = report.state == SourceState::gone ? 0 : rate_.load();
  report.credit = settings_.credit;
  report.blocks = blocks;
  report.trickle = std::move(trickle);
  return report;
}

}  // namespace qanat::sources
