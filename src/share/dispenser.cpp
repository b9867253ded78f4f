#include "share/dispenser.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/quantity.h"

namespace qanat::share {

using entropy::Account;
using entropy::Run;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t least_slice = 32;
constexpr std::size_t most_slice = 4096;
// Promises are looked at this often while anything happens.
constexpr Duration review_interval = 1s;

}  // namespace

Dispenser::Dispenser(std::size_t target_bytes, std::size_t max_request_bytes)
    : target_(target_bytes),
      max_request_(max_request_bytes),
      demand_(target_bytes > 0),
      reserve_(target_bytes + max_request_bytes),
      // While somebody waits nothing lies free: parts of requests may fill the target's room, and
      // the one that is served to its end has the rest.
      queue_(target_bytes),
      slice_(least_slice) {}

entropy::SourceId Dispenser::open_source(std::string name) {
  const MutexLock lock(mutex_);
  return ledger_.open(std::move(name));
}

std::size_t Dispenser::wanted_locked() const {
  const std::size_t goal = target_ + queue_.waiting_bytes();
  const std::size_t here = free_locked();
  return goal > here ? std::min(goal - here, reserve_.room()) : 0;
}

std::size_t Dispenser::wanted() const {
  const MutexLock lock(mutex_);
  return wanted_locked();
}

template <typename Change>
void Dispenser::change(const Change& make) {
  Callbacks callbacks;
  {
    const MutexLock lock(mutex_);
    make();
    settle_locked(callbacks);
  }
  call_back(callbacks);
}

// One that fails (no memory to post a task, say) keeps nobody else from being told, and is no
// reason for a ticket that ends to throw: who waits looks again by himself after a while.
void Dispenser::call_back(const Callbacks& callbacks) const noexcept {
  const auto tell = [](const auto& call) {
    try {
      call();
    } catch (...) {
      return;
    }
  };
  for (const auto& on_ready : callbacks.ready) {
    if (on_ready) tell(on_ready);
  }
  if (callbacks.demand && on_demand_) tell(on_demand_);
  for (const GuaranteeChange& change : callbacks.guarantees) tell([&] { on_guarantee_(change); });
}

bool Dispenser::credit(entropy::SourceId source, Bytes full_entropy, entropy::Epoch epoch,
                       TimePoint now) {
  bool credited = false;
  change([&]() REQUIRES(mutex_) {
    time_.advance(now);
    credited = epoch == epoch_.load();
    if (!credited) return;
    meter_.demand(demand_, time_.now());
    // Both may need memory; the books come after them.
    meter_.credit(source, full_entropy.size(), time_.now());
    Account& account = ledger_[source];
    const std::size_t kept =
        reserve_.put(source, full_entropy.first(std::min(full_entropy.size(), wanted_locked())));
    account.credited += 8 * full_entropy.size();
    account.discarded += 8 * (full_entropy.size() - kept);
    account.reserve += 8 * kept;
  });
  return credited;
}

void Dispenser::lost(entropy::SourceId source, TimePoint now) {
  change([&]() REQUIRES(mutex_) {
    time_.advance(now);
    meter_.lost(source);
    reviewed_ = TimePoint();
  });
}

void Dispenser::settle_locked(Callbacks& callbacks) {
  review_locked(callbacks);
  serve_locked(callbacks);
  update_demand_locked(callbacks);
  review_locked(callbacks);  // the end of demand may have proved something
}

void Dispenser::serve_locked(Callbacks& callbacks) {
  while (const auto grant = queue_.grant(free_locked(), slice_, time_.now())) {
    set_aside_ += grant->bytes;
    if (!grant->complete) continue;
    Place& place = places_[grant->id];
    place.ready = true;
    callbacks.ready.splice(callbacks.ready.end(), place.on_ready);
  }
}

void Dispenser::update_demand_locked(Callbacks& callbacks) {
  const bool low = free_locked() < target_ / 8 * 7 || !queue_.empty();
  const bool before = demand_;
  demand_ = demand_ ? wanted_locked() > 0 : low && wanted_locked() > 0;
  meter_.demand(demand_, time_.now());
  if (demand_ && !before) callbacks.demand = true;
}

void Dispenser::review_locked(Callbacks& callbacks) {
  meter_.tick(time_.now());
  if (time_.now() - reviewed_ < review_interval && meter_.closed() == reviewed_windows_) return;
  reviewed_ = time_.now();
  reviewed_windows_ = meter_.closed();
  const double a_millisecond = meter_.usual(time_.now()) / 1000;
  slice_ = std::clamp(static_cast<std::size_t>(a_millisecond), least_slice, most_slice);
  if (guarantees_.empty() || !meter_.known()) return;
  const double proved = meter_.proved(time_.now());
  std::vector<Guarantees::Change> changes;
  try {
    callbacks.guarantees.reserve(callbacks.guarantees.size() + guarantees_.size());
    changes = guarantees_.review(proved, time_.now());
  } catch (const std::bad_alloc&) {
    reviewed_ = TimePoint();  // nothing has changed yet; at the next occasion
    return;
  }
  for (const Guarantees::Change& change : changes) {
    const FlowInfo& flow = flows_[change.flow];
    const auto rate = static_cast<double>(flow.terms.rate);
    const auto burst =
        static_cast<double>(flow.terms.burst > 0 ? flow.terms.burst : flow.terms.rate);
    queue_.guarantee(change.flow, change.kept ? rate : 0, burst, time_.now());
    if (change.first || !on_guarantee_) continue;
    callbacks.guarantees.push_back({flow.name, rate, change.kept, proved});
  }
}

bool Dispenser::demand() const {
  const MutexLock lock(mutex_);
  return demand_;
}

Flow Dispenser::open_flow(std::string name, const Terms& terms) {
  FlowId id = 0;
  change([&]() REQUIRES(mutex_) {
    auto shared_name = std::make_shared<const std::string>(std::move(name));
    id = queue_.open(terms.weight);
    try {
      if (id >= flows_.size()) flows_.resize(id + 1);
      flows_[id] = {std::move(shared_name), {}};
      agree_locked(id, terms);
    } catch (...) {
      queue_.close(id);
      throw;
    }
  });
  return {this, id};
}

void Dispenser::close_flow(FlowId id) {
  const MutexLock lock(mutex_);
  guarantees_.remove(id);
  queue_.close(id);
}

void Dispenser::agree_locked(FlowId id, const Terms& terms) {
  Terms& present = flows_[id].terms;
  queue_.set_weight(id, terms.weight);
  if (terms.rate != present.rate) {
    guarantees_.remove(id);
    queue_.guarantee(id, 0, 0, time_.now());
    if (terms.rate > 0) guarantees_.add(id, static_cast<double>(terms.rate));
  }
  present = terms;
  reviewed_ = TimePoint();  // what is free now may be kept for others, at the next occasion
}

void Dispenser::set_terms(FlowId id, const Terms& terms) {
  change([&]() REQUIRES(mutex_) { agree_locked(id, terms); });
}

Flow::Report Dispenser::report_of(FlowId id) const {
  const MutexLock lock(mutex_);
  const FairQueue::FlowView view = queue_.view(id);
  return {flows_[id].terms, view.rate > 0, view.requests, view.bytes};
}

tl::expected<void, Dispenser::NoPromise> Dispenser::check_promise(std::uint64_t rate,
                                                                  TimePoint now) {
  const MutexLock lock(mutex_);
  meter_.tick(time_.advance(now));
  if (rate == 0) return {};
  if (!meter_.known()) {
    return tl::unexpected(NoPromise{
        "the sources have not proved yet what they deliver; ask again in some seconds", true});
  }
  const double proved = meter_.proved(time_.now());
  const double left = guarantees_.left(proved);
  if (static_cast<double>(rate) <= left) return {};
  return tl::unexpected(NoPromise{
      fmt::format("{} cannot be promised: the sources have proved {}, {} of it is promised and a "
                  "tenth is kept back; at most {} could be promised now",
                  format_rate(static_cast<double>(rate)), format_rate(proved),
                  format_rate(guarantees_.promised()), format_rate(std::floor(left))),
      false});
}

Ticket Dispenser::request(FlowId flow, std::size_t bytes, TimePoint now,
                          std::function<void()> on_ready) {
  return enqueue(flow, bytes, now, false, std::move(on_ready));
}

Ticket Dispenser::request_seed(FlowId flow, std::size_t bytes, bool first,
                               std::function<void()> on_ready) {
  return enqueue(flow, bytes, std::nullopt, first, std::move(on_ready));
}

Ticket Dispenser::enqueue(FlowId flow, std::size_t bytes, std::optional<TimePoint> now, bool urgent,
                          std::function<void()> on_ready) {
  if (bytes == 0 || bytes > max_request_) {
    throw Failure(fmt::format("a request for {} bytes, of at most {}", bytes, max_request_));
  }
  Callbacks callbacks;
  std::list<std::function<void()>> waiting;
  waiting.push_back(std::move(on_ready));
  RequestId id = 0;
  {
    const MutexLock lock(mutex_);
    if (now) time_.advance(*now);
    id = queue_.add(flow, bytes, time_.now(), urgent);
    auto place = places_.end();
    try {
      place = places_.try_emplace(id).first;
    } catch (...) {
      queue_.remove(id);
      throw;
    }
    place->second.bytes = bytes;
    settle_locked(callbacks);
    if (!place->second.ready) place->second.on_ready.swap(waiting);
  }
  call_back(callbacks);
  return {this, id, bytes};
}

std::optional<Dispenser::Estimate> Dispenser::estimate(FlowId id, std::size_t bytes,
                                                       TimePoint now) {
  const MutexLock lock(mutex_);
  time_.advance(now);
  const auto free = free_locked();
  if (queue_.empty() && free >= bytes) return Estimate{Duration::zero(), Duration::zero()};
  if (meter_.all_lost()) return Estimate{Duration::max(), Duration::max()};
  if (!meter_.known()) return std::nullopt;
  const double usual = meter_.usual(time_.now());
  const FairQueue::FlowView flow = queue_.view(id);
  const bool waits = flow.requests > 0;
  const double weights = queue_.waiting_weight() + (waits ? 0 : flow.weight);
  const double guarantees = queue_.waiting_guarantees() + (waits ? 0 : flow.rate);
  const double rate = flow.rate + std::max(0.0, usual - guarantees) * flow.weight / weights;
  const auto missing = static_cast<double>(bytes - std::min(bytes, free));
  return Estimate{time_for(missing + static_cast<double>(flow.bytes), rate),
                  time_for(missing, usual)};
}

std::size_t Dispenser::slice() const {
  const MutexLock lock(mutex_);
  return slice_;
}

bool Dispenser::is_ready(RequestId id) const {
  const MutexLock lock(mutex_);
  return places_.at(id).ready;
}

void Dispenser::cancel(RequestId id) {
  change([&]() REQUIRES(mutex_) {
    // Either all its bytes were set aside, or those that it had been granted.
    const Place place = std::move(places_.extract(id).mapped());
    set_aside_ -= place.ready ? place.bytes : queue_.remove(id).value_or(0);
  });
}

Withdrawal Dispenser::collect(RequestId id, MutableBytes out) {
  Callbacks callbacks;
  std::vector<Run> runs;
  {
    const MutexLock lock(mutex_);
    runs = reserve_.take(out);
    places_.erase(id);
    set_aside_ -= out.size();
    in_flight_ += out.size();
    update_demand_locked(callbacks);
  }
  call_back(callbacks);
  return {this, std::move(runs)};
}

void Dispenser::settle(std::span<const Run> runs, std::uint64_t Account::*to) {
  const MutexLock lock(mutex_);
  for (const Run& run : runs) {
    Account& account = ledger_[run.source];
    account.*to += 8 * run.bytes;
    account.reserve -= 8 * run.bytes;
    in_flight_ -= run.bytes;
  }
}

std::size_t Dispenser::available() const {
  const MutexLock lock(mutex_);
  return free_locked();
}

DispenserReport Dispenser::report() const {
  const MutexLock lock(mutex_);
  DispenserReport report{.total = ledger_.total(),
                         .sources = {},
                         .fill = reserve_.fill(),
                         .target = target_,
                         .in_flight = in_flight_,
                         .waiting_requests = queue_.size(),
                         .waiting_bytes = queue_.waiting_bytes(),
                         .supply = meter_.proved(time_.now()),
                         .promised = guarantees_.promised(),
                         .suspended = guarantees_.promised() - guarantees_.kept(),
                         .suspended_flows = guarantees_.suspended()};
  // Counted on its own, so that the books and the shelf check each other.
  report.total.reserve = 8 * (reserve_.fill() + in_flight_);
  for (entropy::SourceId id = 0; id < ledger_.size(); ++id) {
    report.sources.emplace_back(ledger_.name(id), ledger_[id]);
  }
  return report;
}

void Dispenser::drain() {
  const MutexLock lock(mutex_);
  discard_locked(reserve_.fill());
}

void Dispenser::discard_locked(std::size_t bytes) {
  reserve_.discard(bytes, [ledger = &ledger_](const Run& run) {
    Account& account = (*ledger)[run.source];
    account.discarded += 8 * run.bytes;
    account.reserve -= 8 * run.bytes;
  });
}

entropy::Epoch Dispenser::renew() {
  entropy::Epoch epoch = 0;
  change([&]() REQUIRES(mutex_) {
    epoch = ++epoch_;
    discard_locked(free_locked());
  });
  return epoch;
}

void Dispenser::passed_through(entropy::SourceId source, std::size_t bytes, TimePoint now) {
  change([&]() REQUIRES(mutex_) {
    time_.advance(now);
    Account& account = ledger_[source];
    account.credited += 8 * bytes;
    account.delivered += 8 * bytes;
  });
}

}  // namespace qanat::share
