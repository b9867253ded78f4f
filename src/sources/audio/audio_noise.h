// What of a recording is noise, and what only sounds like it. No I/O.
//
// The low byte of any loud sound has a fair histogram, and so the health tests on bytes see nothing
// of a sine, a song or a square wave. They are told apart here: a sound can be predicted, and noise
// is what remains when that has been done. The claim is held against that remainder.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "base/error.h"
#include "base/secret.h"

namespace qanat::sources {

enum class AudioFlaw {
  none,
  silent,   // all samples are equal, or so many in a row that they cannot be noise
  coarse,   // their low 8 bits are
  dither,   // no more than three neighbouring values
  clipped,  // many samples are at the two ends of the range
  tune,     // a sound that can be predicted, far above what cannot
  quiet,    // what cannot be predicted has fewer bits than are claimed
};

struct AudioJudgement {
  AudioFlaw flaw = AudioFlaw::none;
  std::int32_t value = 0;  // of the first sample
  double level = 0;        // root mean square of the samples about their mean, in steps of the
                           // converter
  double noise = 0;        // the same of what cannot be predicted
  double bits = 0;  // of min-entropy a sample, at most: by the best prediction of those tried
};

// Judges samples in blocks of `frames`.
class AudioJudge {
 public:
  // A sixth of a second at 48,000 a second: enough to tell 0.5 bits from 0.46.
  static constexpr std::size_t frames = 8192;
  using Block = std::span<const std::int32_t, frames>;

  // `h`: claimed min-entropy, bits a sample, in (0, 8]. `depth`: bits of a sample, 16 or 24.
  AudioJudge(double h, unsigned depth);
  AudioJudgement judge(Block block) const;

 private:
  const double limit_;         // beyond it, and below its negative, the converter is at its end
  const unsigned run_cutoff_;  // equal samples in a row: the repetition count test's
  // Hits of one prediction that refute the claim: in a piece of a block, and in all of it.
  const std::uint32_t piece_cutoff_;
  const std::uint32_t block_cutoff_;
};

// Takes samples as they are recorded, and gives the low byte of each that is in a block without a
// flaw.
class AudioNoise {
 public:
  // Of what is recorded right after the start, so much is thrown away: bias voltages and the
  // high-pass of the converter settle in the same way each time, and the first samples may be from
  // before.
  static constexpr double settling_seconds = 0.25;
  // So long nothing but blocks with a flaw, and the input is at fault. A cough, a slammed door or a
  // word in between costs the blocks that it is in, and nothing else.
  static constexpr double patience_seconds = 2;

  // `name`: of the input, for messages. `h` and `depth` as above.
  AudioNoise(std::string name, double h, unsigned depth);

  // Begins anew with what is recorded after this, at `rate` samples a second: after opening, and
  // after a gap. What was not taken yet is forgotten.
  void begin(unsigned rate);
  // Adds recorded samples; how many of these were used: those after the end of a block wait until
  // it has been taken. A fault when there has been no good block for too long.
  Result<std::size_t> add(std::span<const std::int32_t> samples);
  // Raw samples of one byte; their number, 0 when there are none.
  std::size_t take(MutableBytes out);
  // Of the last block.
  const AudioJudgement& last() const { return last_; }

 private:
  Result<void> finish_block();
  std::string complaint() const;
  std::int32_t* samples() { return reinterpret_cast<std::int32_t*>(block_.view().data()); }

  const std::string name_;
  const double h_;
  const unsigned depth_;
  const AudioJudge judge_;
  SecretBytes block_{AudioJudge::frames * sizeof(std::int32_t)};
  std::size_t filled_ = 0;  // samples in block_
  std::size_t ready_ = 0;   // its last so many are good, and not taken yet
  std::size_t settling_ = 0;
  std::size_t patience_ = 0;  // samples
  std::size_t refused_ = 0;   // samples since the last good block
  AudioJudgement last_;
};

}  // namespace qanat::sources
