// Whether a camera shows what it has shown before: a recording, played again.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/secret.h"

namespace qanat::sources::video {

// What is remembered of one picture.
struct Fingerprint {
  static constexpr std::size_t bits = 256;
  using Bits = std::array<std::uint64_t, bits / 64>;

  // Of many pixels, keyed: equal only where the picture is the same. 0: none.
  std::uint64_t exact = 0;
  // Which of two pixels' noise was larger, for `bits` pairs: what an encoder at the usual qualities
  // leaves as it was. Only where `known` has a bit.
  Bits larger{};
  Bits known{};
};

// The last 4,096 pictures: 136 s of 30 a second. Pure; not thread-safe. 384 KiB of secret memory:
// a fingerprint tells something of samples.
//
// Two moments of a real camera agree in half of the bits that both know; a picture that is shown
// again in nearly all, and one that was encoded again, coarser than before, in two of three
// (docs/sources.md has the measurements). So each distance in pictures has a score: the bits that
// agreed less those that did not, which fades by an eighth with each picture. Under chance it has
// mean 0 and a variance that is known, whatever the scene is; a distance at which it is far beyond
// that is that of a replay.
class ReplayMemory {
 public:
  static constexpr std::size_t pictures = 4096;
  // At smaller ones what moves, and what a camera does against noise, may look alike; the exact
  // fingerprint is compared from 2 on.
  static constexpr std::size_t least_distance = 8;

  struct Match {
    std::size_t distance = 0;  // pictures ago
    Duration ago{};            // that it was shown
  };

  ReplayMemory();
  // Compares with all that is remembered, then remembers it. A match: it looks like what was shown
  // then; one is enough to hold back what this picture gives.
  std::optional<Match> add(const Fingerprint& print, TimePoint now);

 private:
  struct Remembered {
    Fingerprint print;
    TimePoint at;
  };
  // Of a distance.
  struct Score {
    float agreed = 0;    // less disagreed
    float compared = 0;  // bits
    float variance = 0;  // of `agreed`, by chance
  };

  std::span<Remembered> ring();
  bool convicts(Score& score, const Fingerprint& now, const Fingerprint& then) const;

  SecretBytes memory_;
  std::vector<Score> scores_;
  std::size_t count_ = 0;  // remembered so far
};

}  // namespace qanat::sources::video
