// Finds what a source has given before: a recording that is played again, a buffer that nobody
// fills any more, a loop of any length that is still remembered.
#pragma once

#include <cstdint>

#include "base/secret.h"

namespace qanat::entropy {

// Ours (SP 800-90B 4.5 invites such). Some positions are marked by what stands before them (a
// rolling hash, so that a repetition is found at any distance and need not be aligned), and a
// fingerprint of each is kept. Several marks that come again in the same order, over samples of 100
// claimed bits or more, are no accident: a source of `h` bits repeats a given stretch with
// probability 2^-100, and fewer than 2^22 samples are remembered.
//
// Remembers about 4 million samples: those of the last 87 s at 48,000 a second. Memory 512 KiB.
class ReplayTest {
 public:
  // `seed` makes the hash this one's own.
  ReplayTest(double h, std::uint64_t seed);
  // False when these samples end a stretch that was seen before. There is nothing to reset: across
  // a gap in the samples no stretch is whole, and what was seen before a gap remains seen.
  bool passes(Bytes samples);

  // A mark stands at one position in so many.
  static constexpr unsigned spacing = 64;
  static constexpr std::size_t remembered_marks = std::size_t{1} << 16;

 private:
  struct Mark {
    std::uint32_t fingerprint;
    std::uint32_t number;  // of all marks, from 1; 0: none here
  };
  bool repeats(std::uint64_t hash);

  const std::size_t length_;      // samples that a mark stands for
  const double h_;                // bits a sample
  const std::uint64_t factor_;    // of the rolling hash, odd
  const std::uint64_t outgoing_;  // factor_ ^ length_
  SecretBytes recent_;            // the last length_ samples, a ring
  SecretBytes marks_;
  std::size_t at_ = 0;      // in recent_
  std::size_t filled_ = 0;  // of recent_
  std::uint64_t hash_ = 0;
  std::uint64_t position_ = 0;   // samples seen
  std::uint64_t last_mark_ = 0;  // position of the mark before
  std::uint32_t number_ = 0;     // of the mark before
  std::uint32_t matched_ = 0;    // number of the mark that it repeated; 0: none
  unsigned run_ = 0;             // marks in a row that repeated such in a row
  std::uint64_t covered_ = 0;    // samples that these stand for
};

}  // namespace qanat::entropy
