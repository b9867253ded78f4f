// Bytes of another node: what of them may be credited, and how. The one place that decides
// (docs/threat-model.md).
#pragma once

#include <array>

#include "base/secret.h"
#include "entropy/blinder.h"
#include "entropy/conditioner.h"
#include "entropy/sink.h"

namespace qanat::entropy {

// Whether the same bytes came before, among the last 256 pieces: a peer that is broken, or a
// recording. A piece of fewer than `least_bytes` is compared with the one before it alone: such
// pieces are often equal by chance. Not thread-safe.
class ReplayCheck {
 public:
  static constexpr std::size_t least_bytes = 8;

  bool came_before(Bytes bytes);

 private:
  using Digest = std::array<std::uint8_t, 32>;
  Digest last_{};
  std::array<Digest, 256> digests_{};  // a ring
  std::size_t next_ = 0;
};

// What bytes of a peer are worth to this machine's own kernel: of grade full all, of grade drbg 256
// bits a seed, as no more counts than the peer's DRBG was seeded with.
std::size_t worth_to_this_machine(std::size_t bytes, bool full);

// Of one source. Not thread-safe.
class Relay {
 public:
  struct Policy {
    bool credit = true;  // the peer is authenticated, or the operator's word
    // What comes is for this machine alone, never to be passed on: grade drbg is worth something.
    bool own_use = false;
  };

  // `sink` and `key` outlive it. `account`: whom the ledger credits.
  Relay(Sink& sink, ConditioningKey& key, SourceId account, Policy policy)
      : sink_(sink), key_(key), account_(account), policy_(policy), blinder_(key, account) {}

  std::size_t worth(std::size_t bytes, bool full) const;

  enum class Outcome {
    credited,
    uncredited,  // mixed into the conditioning key, as they are worth nothing here
    outdated,    // of an earlier epoch: another copy of this machine may have them
  };
  // Blinds `bytes` in place with `local`, which was gathered after they had come, so that the peer
  // has committed itself; then credits what they are worth. The caller wipes them.
  Outcome credit(MutableBytes bytes, bool full, Bytes local, Epoch epoch, TimePoint now);
  // The same of what a Combiner has made of several peers' bytes and of local state.
  Outcome credit_combined(MutableBytes bytes, bool full, Epoch epoch, TimePoint now);
  // They failed a test: mixed in, and nothing else.
  void reject(Bytes bytes) { key_.mix("rejected", bytes); }

 private:
  bool counts(Bytes bytes, bool full);
  Outcome give(Bytes bytes, bool full, Epoch epoch, TimePoint now);

  Sink& sink_;
  ConditioningKey& key_;
  const SourceId account_;
  const Policy policy_;
  Blinder blinder_;
};

}  // namespace qanat::entropy
