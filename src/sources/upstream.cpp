#include "sources/upstream.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "crypto/aead.h"
#include "entropy/drbg_pool.h"

namespace qanat::sources {

using entropy::Combiner;
using net::ClientError;
using net::Trouble;
using namespace std::chrono_literals;

namespace {

// How long to stay in a hub's line: who leaves it has to begin again at its end, and of two who
// share a slow source the one that leaves more often gets less. Where there is another hub to ask,
// or a seed of grade drbg to be had, not so long.
constexpr Duration in_line = 2min;
constexpr Duration in_line_with_choice = 10s;
constexpr std::size_t drbg_seed_bytes = 64;
// Between two seeds of a pollen server, for a node that would fill its reserve from it: many
// machines share such a one, and it counts on one question a boot.
constexpr Duration pollen_interval = 10s;
// A hub that returns meets at most a tenth of its clients in its first second: simulated with
// 10,000 in tests/scenario.
constexpr Duration backoff_base = 5s;
constexpr Duration backoff_cap = 5min;
// One that answers, and has nothing for us now, has said when to come back.
constexpr Duration busy_base = 1s;
constexpr Duration busy_cap = 30s;

}  // namespace

void check_quorum(const std::vector<net::Endpoint>& endpoints, std::size_t quorum) {
  if (quorum < 2) return;
  // An endpoint that is trusted by a CA shows its key only when it is there.
  std::set<crypto::Pin> pins;
  std::size_t possible = 0;
  for (const net::Endpoint& endpoint : endpoints) {
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

Upstream::Upstream(std::string name, std::vector<net::Endpoint> endpoints,
                   UpstreamSettings settings, const SourceServices& services)
    : name_(std::move(name)),
      settings_(settings),
      services_(services),
      account_(services.dispenser.open_source(name_)),
      epoch_(services.dispenser.epoch()),
      backoff_(backoff_base, backoff_cap, crypto::random_seed()),
      busy_backoff_(busy_base, busy_cap, crypto::random_seed()),
      blinder_(services.key, account_),
      combiner_(services.key, settings.quorum, static_cast<std::uint16_t>(account_)),
      buffer_(net::TransferSize::most / entropy::block_bytes * Combiner::share_bytes) {
  check_quorum(endpoints, settings.quorum);
  polite_ = !services.seeds && std::any_of(endpoints.begin(), endpoints.end(),
                                           [](const auto& endpoint) { return endpoint.pollen; });
  for (net::Endpoint& endpoint : endpoints) {
    links_.push_back(std::make_unique<UpstreamLink>(std::move(endpoint), services.provenance.own(),
                                                    services.cookie_directory, stop_waker_));
  }
}

Upstream::~Upstream() {
  request_stop();
  services_.provenance.set(account_, {});
}

void Upstream::start() {
  thread_.start(
      [this] {
        run();
        for (const auto& link : links_) link->disconnect();
      },
      [this](const std::string& why) {
        renew_.store(true);
        set_state("failed", why, false);
      },
      waker_, services_.clock);
}

void Upstream::request_stop() {
  thread_.request_stop();
  stop_waker_.wake();
  waker_.wake();
}

void Upstream::retest() {
  hurry_.store(true);
  renew_.store(true);
  stop_waker_.wake();
  waker_.wake();
}

void Upstream::run() {
  while (!thread_.stopping()) {
    waker_.clear();
    const std::size_t wanted = std::min(services_.dispenser.wanted(), transfer_size_.bytes());
    if (!services_.dispenser.demand() || wanted == 0) {
      satisfied_ = satisfied_ || credited_;
      rest();
      continue;
    }
    const entropy::Epoch now = services_.dispenser.epoch();
    if (renew_.exchange(false) || now != epoch_) {
      epoch_ = now;
      renew();
    }
    if (thread_.stopping()) return;
    const TimePoint began = services_.clock.now();
    const Outcome outcome = settings_.quorum > 1 ? fetch_quorum(wanted) : fetch_one(wanted);
    if (thread_.stopping()) return;
    if (!outcome && outcome.error().trouble == Trouble::stopped) {
      renew_.store(true);
      continue;
    }
    if (outcome) {
      backoff_.reset();
      busy_backoff_.reset();
      transfer_size_.answered(services_.clock.now() - began);
      // What is worth nothing, or was not made for filling a reserve, is not fetched as fast as it
      // comes.
      if (!settings_.credit) pause(entropy::Intake::uncredited_interval);
      if (polite_) pause(pollen_interval);
      continue;
    }
    // Too much at once for our share there, perhaps.
    const bool busy = outcome.error().trouble == Trouble::busy;
    if (busy && transfer_size_.refused(wanted)) continue;
    // At least as long as the server said, and never all clients in the same moment.
    const Duration asked = std::chrono::seconds(outcome.error().retry_after);
    pause(asked + (busy ? busy_backoff_ : backoff_).next());
  }
}

// Until bytes are wanted.
void Upstream::rest() {
  if (services_.seeds) {
    for (const auto& link : links_) link->prepare_seeds();
  }
  at_rest_.store(true);
  if (!thread_.stopping()) wait_for(-1, 0, waker_, std::nullopt);
  at_rest_.store(false);
}

// A copy of this machine would go on with the same keys on its connections, try at the same times,
// and have what was contributed so far.
void Upstream::renew() {
  stop_waker_.clear();
  for (const Contribution& given : round_) count_outdated(given.bytes.size());
  round_.clear();
  wipe(buffer_.view());
  for (const auto& link : links_) link->renew();
  backoff_ = Backoff(backoff_base, backoff_cap, crypto::random_seed());
  busy_backoff_ = Backoff(busy_base, busy_cap, crypto::random_seed());
}

void Upstream::pause(Duration duration) {
  thread_.pause(duration, waker_, services_.clock, [this] { return hurry_.exchange(false); });
}

// Bytes of grade full, or a seed of grade drbg where that is better than nothing: `out` and `full`
// are changed to what came.
tl::expected<UpstreamLink::Transfer, ClientError> Upstream::ask(UpstreamLink& link,
                                                                MutableBytes& out, bool& full) {
  // Of a DRBG's output no more counts than its seed had.
  const auto shrink_to_seed = [&] {
    if (settings_.quorum == 1) out = out.first(std::min(out.size(), drbg_seed_bytes));
  };
  full = !link.pollen();
  if (link.pollen()) {
    shrink_to_seed();
    return link.fetch_pollen(out);
  }
  const bool choice = services_.seeds || links_.size() > 1;
  // A machine that has not been fed yet takes what there is, at once.
  const bool hurry = services_.seeds && !satisfied_;
  tl::expected<UpstreamLink::Transfer, ClientError> transfer =
      tl::unexpected(ClientError{Trouble::unreachable, ""});
  if (services_.seeds) {
    transfer = link.seed(out, full);
    if (transfer && !full) shrink_to_seed();
  }
  if (!transfer && transfer.error().trouble == Trouble::unreachable) {
    transfer = link.fetch(out, true, hurry ? 0s : choice ? in_line_with_choice : in_line);
  }
  if (!transfer && transfer.error().trouble == Trouble::busy && services_.seeds) {
    full = false;
    shrink_to_seed();
    transfer = link.fetch(out, false, 0s);
  }
  return transfer;
}

// The same, and counted.
tl::expected<UpstreamLink::Transfer, ClientError> Upstream::fetch(UpstreamLink& link,
                                                                  MutableBytes& out, bool& full) {
  const TimePoint began = services_.clock.now();
  auto transfer = ask(link, out, full);
  if (!transfer) return transfer;
  const double took = seconds(services_.clock.now() - began);
  const std::scoped_lock lock(report_mutex_);
  bytes_ += out.size();
  // Of the last few transfers: each counts a quarter.
  const double rate = took > 0 ? static_cast<double>(out.size()) / took : 0;
  rate_ = rate_ == 0 ? rate : rate_ + (rate - rate_) / 4;
  return transfer;
}

Upstream::Outcome Upstream::fetch_one(std::size_t bytes) {
  Outcome outcome;
  bool hopeless = true;
  bool distrusted = false;
  for (std::size_t tried = 0; tried < links_.size(); ++tried) {
    MutableBytes out = buffer_.view().first(bytes);
    bool full = true;
    auto transfer = fetch(*links_[current_], out, full);
    if (transfer && transfer->distrust.empty()) {
      credit(out, full, std::move(transfer->path));
      wipe(buffer_.view());
      return {};
    }
    if (transfer) {
      // Another may do better; this one is asked again when none does.
      reject(out, transfer->distrust);
      distrusted = true;
      outcome = tl::unexpected(ClientError{Trouble::protocol, transfer->distrust});
      hopeless = false;
    } else {
      outcome = tl::unexpected(transfer.error());
      const Trouble trouble = transfer.error().trouble;
      if (trouble == Trouble::stopped) return outcome;
      hopeless = hopeless && (trouble == Trouble::distrusted || trouble == Trouble::refused);
    }
    wipe(buffer_.view());
    current_ = (current_ + 1) % links_.size();
  }
  if (outcome.error().trouble == Trouble::busy) {
    // There, and dry: how it should be where many share one source.
    set_state("healthy", outcome.error().message, false);
    return outcome;
  }
  // What was rejected has set the state already.
  if (!distrusted) {
    set_state(outcome.error().trouble == Trouble::distrusted ? "failed" : "gone",
              outcome.error().message, hopeless);
  }
  return outcome;
}

bool Upstream::contributed(const crypto::Pin& key) const {
  return std::any_of(round_.begin(), round_.end(),
                     [&](const Contribution& given) { return given.key == key; });
}

Upstream::Outcome Upstream::contribute(UpstreamLink& link) {
  MutableBytes out = buffer_.view().first(round_blocks_ * Combiner::share_bytes);
  bool full = true;
  auto transfer = fetch(link, out, full);
  if (!transfer) return tl::unexpected(transfer.error());
  const auto key = link.key();
  std::string distrust = transfer->distrust;
  if (distrust.empty() && !key) distrust = link.name() + " has no key, and counts for no quorum";
  if (distrust.empty() && contributed(*key)) {
    distrust = link.name() + " has the key of another one here: they are one upstream";
  }
  if (!distrust.empty()) {
    reject(out, distrust);
    wipe(out);
    return tl::unexpected(ClientError{Trouble::protocol, distrust});
  }
  round_.push_back({*key, SecretBytes(out), full, std::move(transfer->path)});
  wipe(out);
  return {};
}

// What some have contributed is kept until enough others have.
Upstream::Outcome Upstream::fetch_quorum(std::size_t bytes) {
  if (round_.empty()) {
    round_blocks_ = (bytes + entropy::block_bytes - 1) / entropy::block_bytes;
  }
  Outcome last;
  std::size_t hopeless = 0;
  for (std::size_t tried = 0; tried < links_.size() && round_.size() < settings_.quorum; ++tried) {
    UpstreamLink& link = *links_[current_];
    current_ = (current_ + 1) % links_.size();
    if (const auto key = link.key(); key && contributed(*key)) continue;
    Outcome outcome = contribute(link);
    if (outcome) continue;
    const Trouble trouble = outcome.error().trouble;
    if (trouble == Trouble::stopped) return outcome;
    hopeless += trouble == Trouble::distrusted || trouble == Trouble::refused ? 1U : 0U;
    last = std::move(outcome);
  }
  if (round_.size() < settings_.quorum) {
    if (last) {
      last = tl::unexpected(ClientError{Trouble::protocol, "too few of them have different keys"});
    }
    set_state("gone",
              fmt::format("{} of {} upstreams have contributed: {}", round_.size(),
                          settings_.quorum, last.error().message),
              links_.size() - hopeless < settings_.quorum);
    return last;
  }
  std::vector<Bytes> contributions;
  bool full = true;
  std::vector<const wire::Path*> paths;
  for (const Contribution& given : round_) {
    contributions.push_back(given.bytes.view());
    full = full && given.full;
    paths.push_back(&given.path);
  }
  // Drawn after the upstreams have committed themselves to their bytes.
  WipedArray<TimingNoise::local_bytes> local;
  noise_.fill_with_times(local.view());
  const MutableBytes out = buffer_.view().first(round_blocks_ * entropy::block_bytes);
  combiner_.combine(contributions, local.view(), out);
  wire::Path path = entropy::nearest_first({}, paths);
  round_.clear();
  credit(out, full, std::move(path));
  wipe(out);
  return {};
}

void Upstream::reject(Bytes bytes, const std::string& why) {
  services_.key.mix("rejected", bytes);
  {
    const std::scoped_lock lock(report_mutex_);
    ++alarms_;
  }
  set_state("suspect", why + ": mixed in, not credited", false);
}

void Upstream::credit(MutableBytes bytes, bool full, wire::Path path) {
  if (!settings_.credit) {
    services_.key.mix("uncredited", bytes);
    set_state("healthy", "", false);
    return;
  }
  // Before the bytes can be drawn by anybody.
  if (path != path_) {
    path_ = std::move(path);
    services_.provenance.set(account_, path_);
  }
  const TimePoint now = services_.clock.now();
  if (!full) services_.key.mix("seed", bytes);
  if (settings_.quorum == 1) {
    // Drawn after the upstream has committed itself to its bytes.
    WipedArray<TimingNoise::local_bytes> local;
    noise_.fill_with_times(local.view());
    blinder_.blind(bytes, local.view());
  }
  const bool credited = services_.dispenser.credit(
      account_, full ? bytes : bytes.first(entropy::drbg_credit_bytes), epoch_, now);
  if (!credited) return count_outdated(bytes.size());
  credited_ = true;
  set_state("healthy", "", false);
}

void Upstream::count_outdated(std::size_t bytes) {
  const std::scoped_lock lock(report_mutex_);
  outdated_ += bytes;
}

void Upstream::set_state(const char* state, const std::string& detail, bool hopeless) {
  const bool good = std::string_view(state) == "healthy";
  bool changed = false;
  {
    const std::scoped_lock lock(report_mutex_);
    changed = state_ != state || (detail_ != detail && !good);
    if (state_ != "failed" && std::string_view(state) == "failed") ++failures_;
    state_ = state;
    detail_ = detail;
    hopeless_ = hopeless;
  }
  if (!changed) return;
  if (!good) services_.dispenser.lost(account_, services_.clock.now());
  services_.on_event(name_, detail.empty() ? state : fmt::format("{}: {}", state, detail), !good);
}

SourceReport Upstream::report() const {
  entropy::BlockTests::Counts blocks;
  std::map<std::string, std::uint64_t> trickle;
  for (const auto& link : links_) {
    blocks += link->blocks();
    const net::TrickleClientCounters& counters = link->trickle();
    for (const auto& [what, count] :
         {std::pair{"sessions", &counters.sessions}, std::pair{"sent", &counters.sent},
          std::pair{"answered", &counters.answered}, std::pair{"refused", &counters.refused},
          std::pair{"silent", &counters.silent}, std::pair{"strays", &counters.strays}}) {
      trickle[what] += *count;
    }
  }
  const std::scoped_lock lock(report_mutex_);
  return {.name = name_,
          .state = state_,
          .detail = detail_,
          .hopeless = hopeless_,
          .rate = rate_,
          .h = 8,
          .credit = settings_.credit,
          .bytes = bytes_,
          .alarms = alarms_,
          .failures = failures_,
          .blocks = blocks,
          .trickle = std::move(trickle),
          .dropped = {{"outdated", outdated_}},
          .account = account_};
}

}  // namespace qanat::sources
