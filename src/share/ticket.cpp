#include "share/ticket.h"

#include <utility>

#include "share/dispenser.h"

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

void Withdrawal::append(Withdrawal&& other) {
  runs_.insert(runs_.end(), other.runs_.begin(), other.runs_.end());
  if (dispenser_ == nullptr) std::swap(dispenser_, other.dispenser_);
  other.runs_.clear();
}

void Withdrawal::delivered(std::size_t bytes) {
  if (dispenser_ == nullptr) return;
  std::size_t whole = 0;
  while (whole < runs_.size() && runs_[whole].bytes <= bytes) bytes -= runs_[whole++].bytes;
  dispenser_->settle(std::span(runs_).first(whole), &Account::delivered);
  runs_.erase(runs_.begin(), runs_.begin() + static_cast<std::ptrdiff_t>(whole));
  if (bytes == 0 || runs_.empty()) return;
  const Run part{runs_.front().source, bytes};
  dispenser_->settle({&part, 1}, &Account::delivered);
  runs_.front().bytes -= bytes;
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
  if (dispenser_ != nullptr) dispenser_->cancel(id_);
}

bool Ticket::ready() const { return dispenser_ != nullptr && dispenser_->is_ready(id_); }

Withdrawal Ticket::collect(MutableBytes out) {
  Withdrawal collected = dispenser_->collect(id_, out);
  dispenser_ = nullptr;
  return collected;
}

}  // namespace qanat::share
