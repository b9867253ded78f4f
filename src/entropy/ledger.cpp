#include "entropy/ledger.h"

namespace qanat::entropy {

Account& Account::operator+=(const Account& other) {
  credited += other.credited;
  delivered += other.delivered;
  discarded += other.discarded;
  reseed += other.reseed;
  reserve += other.reserve;
  return *this;
}

SourceId Ledger::open(std::string name) {
  accounts_.emplace_back();
  names_.push_back(std::move(name));
  return static_cast<SourceId>(accounts_.size() - 1);
}

Account Ledger::total() const {
  Account sum;
  for (const Account& account : accounts_) sum += account;
  return sum;
}

}  // namespace qanat::entropy
