#include "entropy/relay.h"

#include <algorithm>
#include <utility>

#include "crypto/hash.h"
#include "entropy/drbg_pool.h"

namespace qanat::entropy {

bool ReplayCheck::came_before(Bytes bytes) {
  const auto digest = crypto::sha256({bytes});
  if (std::exchange(last_, digest) == digest) return true;
  if (bytes.size() < least_bytes) return false;
  if (std::find(digests_.begin(), digests_.end(), digest) != digests_.end()) return true;
  digests_[next_] = digest;
  next_ = (next_ + 1) % digests_.size();
  return false;
}

std::size_t worth_to_this_machine(std::size_t bytes, bool full) {
  return full ? bytes : std::min(bytes, drbg_credit_bytes);
}

std::size_t Relay::worth(std::size_t bytes, bool full) const {
  if (!policy_.credit || !(full || policy_.own_use)) return 0;
  return worth_to_this_machine(bytes, full);
}

// Whether anything of them does; what does not is mixed in. Of grade drbg all of it is, too, as
// most of it counts nothing.
bool Relay::counts(Bytes bytes, bool full) {
  const bool any = worth(bytes.size(), full) > 0;
  if (!any) {
    key_.mix("uncredited", bytes);
  } else if (!full) {
    key_.mix("seed", bytes);
  }
  return any;
}

Relay::Outcome Relay::credit(MutableBytes bytes, bool full, Bytes local, Epoch epoch,
                             TimePoint now) {
  if (!counts(bytes, full)) return Outcome::uncredited;
  blinder_.blind(bytes, local);
  return give(bytes, full, epoch, now);
}

Relay::Outcome Relay::credit_combined(MutableBytes bytes, bool full, Epoch epoch, TimePoint now) {
  if (!counts(bytes, full)) return Outcome::uncredited;
  return give(bytes, full, epoch, now);
}

Relay::Outcome Relay::give(Bytes bytes, bool full, Epoch epoch, TimePoint now) {
  const Bytes worthy = bytes.first(worth(bytes.size(), full));
  return sink_.credit(account_, worthy, epoch, now) ? Outcome::credited : Outcome::outdated;
}

}  // namespace qanat::entropy
