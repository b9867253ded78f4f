#include "share/dispenser.h"

#include <algorithm>
#include <utility>

namespace qanat::share {

using entropy::Account;
using entropy::Run;

Withdrawal::Withdrawal(Withdrawal&& other) noexcept
    : dispenser_(std::exchange(other.dispenser_, nullptr)), runs_(std::move(other.runs_)) {}

Withdrawal& Withdrawal::operator=(Withdrawal&& other) noexcept {
  std::swap(dispenser_, other.dispenser_);
  std::swap(runs_, other.runs_);
  return *this;
}

Withdrawal::~Withdrawal() {
  if (dispenser_ != nullptr) dispenser_->settle(runs_, &Account::discarded);
}

void Withdrawal::delivered(std::size_t bytes) {
  std::vector<Run> settled;
  while (bytes > 0 && !runs_.empty()) {
    Run& first = runs_.front();
    const std::size_t n = std::min(bytes, first.bytes);
    settled.push_back({first.source, n});
    first.bytes -= n;
    bytes -= n;
    if (first.bytes == 0) runs_.erase(runs_.begin());
  }
  if (dispenser_ != nullptr) dispenser_->settle(settled, &Account::delivered);
}

void Withdrawal::spent_on_reseed() {
  if (dispenser_ != nullptr) dispenser_->settle(runs_, &Account::reseed);
  runs_.clear();
}

Ticket::Ticket(Ticket&& other) noexcept
    : dispenser_(std::exchange(other.dispenser_, nullptr)), id_(other.id_), bytes_(other.bytes_) {}

Ticket& Ticket::operator=(Ticket&& other) noexcept {
  std::swap(dispenser_, other.dispenser_);
  std::swap(id_, other.id_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

Ticket::~Ticket() {
  if (dispenser_ != nullptr) dispenser_->cancel(id_, bytes_);
}

bool Ticket::ready() const { return dispenser_ != nullptr && dispenser_->is_ready(id_); }

Withdrawal Ticket::collect(MutableBytes out) {
  return std::exchange(dispenser_, nullptr)->collect(id_, out);
}

Dispenser::Dispenser(std::size_t target_bytes, std::size_t max_request_bytes)
    : target_(target_bytes),
      max_request_(max_request_bytes),
      demand_(target_bytes > 0),
      reserve_(target_bytes + max_request_bytes) {}

entropy::SourceId Dispenser::open_source(std::string name) {
  const std::scoped_lock lock(mutex_);
  return ledger_.open(std::move(name));
}

std::size_t Dispenser::wanted_locked() const {
  const std::size_t goal = target_ + queue_.waiting_bytes();
  const std::size_t here = free_locked();
  return goal > here ? std::min(goal - here, reserve_.room()) : 0;
}

std::size_t Dispenser::wanted() const {
  const std::scoped_lock lock(mutex_);
  return wanted_locked();
}

void Dispenser::credit(entropy::SourceId source, Bytes full_entropy) {
  Callbacks ready;
  {
    const std::scoped_lock lock(mutex_);
    Account& account = ledger_[source];
    const std::size_t kept =
        reserve_.put(source, full_entropy.first(std::min(full_entropy.size(), wanted_locked())));
    account.credited += 8 * full_entropy.size();
    account.discarded += 8 * (full_entropy.size() - kept);
    account.reserve += 8 * kept;
    serve_locked(ready);
    update_demand_locked(ready);
  }
  for (const auto& callback : ready) callback();
}

void Dispenser::serve_locked(Callbacks& ready) {
  while (const auto head = queue_.next()) {
    if (head->bytes > free_locked()) return;
    queue_.served();
    set_aside_ += head->bytes;
    ready_.emplace(head->id, head->bytes);
    if (auto callback = callbacks_.extract(head->id)) ready.push_back(std::move(callback.mapped()));
  }
}

void Dispenser::update_demand_locked(Callbacks& callbacks) {
  const bool low = free_locked() < target_ / 8 * 7 || !queue_.empty();
  const bool before = demand_;
  demand_ = demand_ ? wanted_locked() > 0 : low && wanted_locked() > 0;
  if (demand_ && !before && on_demand_) callbacks.push_back(on_demand_);
}

bool Dispenser::demand() const {
  const std::scoped_lock lock(mutex_);
  return demand_;
}

FlowId Dispenser::open_flow() {
  const std::scoped_lock lock(mutex_);
  return ++last_flow_;
}

Ticket Dispenser::request(FlowId flow, double weight, std::size_t bytes,
                          std::function<void()> on_ready, bool urgent) {
  Callbacks ready;
  RequestId id = 0;
  {
    const std::scoped_lock lock(mutex_);
    id = queue_.add(flow, weight, bytes, urgent);
    serve_locked(ready);
    if (!ready_.contains(id)) callbacks_.emplace(id, std::move(on_ready));
    update_demand_locked(ready);
  }
  for (const auto& callback : ready) callback();
  return {this, id, bytes};
}

bool Dispenser::is_ready(RequestId id) const {
  const std::scoped_lock lock(mutex_);
  return ready_.contains(id);
}

void Dispenser::cancel(RequestId id, std::size_t bytes) {
  Callbacks ready;
  {
    const std::scoped_lock lock(mutex_);
    if (ready_.erase(id) != 0) {
      set_aside_ -= bytes;
    } else {
      queue_.remove(id);
      callbacks_.erase(id);
    }
    serve_locked(ready);
    update_demand_locked(ready);
  }
  for (const auto& callback : ready) callback();
}

Withdrawal Dispenser::collect(RequestId id, MutableBytes out) {
  Callbacks demand;
  std::vector<Run> runs;
  {
    const std::scoped_lock lock(mutex_);
    ready_.erase(id);
    set_aside_ -= out.size();
    in_flight_ += out.size();
    runs = reserve_.take(out);
    update_demand_locked(demand);
  }
  for (const auto& callback : demand) callback();
  return {this, std::move(runs)};
}

void Dispenser::settle(std::span<const Run> runs, std::uint64_t Account::*to) {
  const std::scoped_lock lock(mutex_);
  for (const Run& run : runs) {
    Account& account = ledger_[run.source];
    account.*to += 8 * run.bytes;
    account.reserve -= 8 * run.bytes;
    in_flight_ -= run.bytes;
  }
}

DispenserReport Dispenser::report() const {
  const std::scoped_lock lock(mutex_);
  DispenserReport report{.total = ledger_.total(),
                         .sources = {},
                         .fill = reserve_.fill(),
                         .target = target_,
                         .in_flight = in_flight_,
                         .waiting_requests = queue_.size(),
                         .waiting_bytes = queue_.waiting_bytes()};
  // Counted on its own, so that the books and the shelf check each other.
  report.total.reserve = 8 * (reserve_.fill() + in_flight_);
  for (entropy::SourceId id = 0; id < ledger_.size(); ++id) {
    report.sources.emplace_back(ledger_.name(id), ledger_[id]);
  }
  return report;
}

void Dispenser::drain() {
  const std::scoped_lock lock(mutex_);
  for (const Run& run : reserve_.drain()) {
    Account& account = ledger_[run.source];
    account.discarded += 8 * run.bytes;
    account.reserve -= 8 * run.bytes;
  }
}

}  // namespace qanat::share
