#include "sources/audio/audio_noise.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "entropy/health_cutoffs.h"

namespace qanat::sources {
namespace {

// A prediction from so many samples before: one sine takes 2 of them, a chord of ten 20, and the
// rest average out the rounding of the samples themselves.
constexpr std::size_t order = 32;
// What is fitted anew each time: a twentieth of a second, in which a voice or a siren stays the
// same.
constexpr std::size_t piece = 2048;
static_assert(AudioJudge::frames % piece == 0);
constexpr std::size_t pieces = AudioJudge::frames / piece;
// Of a piece; the others are what is predicted from.
constexpr std::size_t predicted = piece - order;
// Differences of order 0 to 3: constants, steps, slopes and bends, which a fit to a whole piece
// would smear.
constexpr std::size_t differences = 4;

// A sound that is 20 dB above what could not be predicted of it: there the rest may be our
// prediction's error, not noise. Measured by second differences, which hum and rumble hardly reach.
constexpr double loudest_tune = 100;
// Clipping: of white noise that is clipped at 1.6 standard deviations, and of a square wave, more
// than 10% are within 1/256 of the range from its ends; of an unclipped sine 8%, of noise next to
// nothing. Below this range the steps of the converter are too large to tell. The flat tops of
// mains hum are none: its second differences are a millionth of its power, and noise lies on them.
constexpr double most_at_ends = 0.10;
constexpr std::int64_t least_range = 512;
constexpr double least_bends = 1e-3;
// Within 1/256 of what the converter can express: 1%, as no plain signal stays there.
constexpr double most_at_limit = 0.01;

using Counts = std::array<std::uint32_t, 256>;

void count(Counts& counts, std::int64_t value) { ++counts[static_cast<std::uint8_t>(value)]; }
std::uint32_t commonest(const Counts& counts) {
  return *std::max_element(counts.begin(), counts.end());
}

using Piece = std::span<const std::int32_t, piece>;

// How well a piece, or several, could be predicted.
struct Predictions {
  // Of what each prediction leaves, the low bytes: by differences, and last the linear one.
  std::array<Counts, differences + 1> counts{};
  double level = 0;  // sums of squares: of the samples about their mean,
  double left = 0;   // of what the linear prediction leaves,
  double bends = 0;  // and of second differences, as white noise of the same power would have them

  void add(const Predictions& more) {
    for (std::size_t i = 0; i < counts.size(); ++i) {
      std::transform(counts[i].begin(), counts[i].end(), more.counts[i].begin(), counts[i].begin(),
                     std::plus<>());
    }
    level += more.level;
    left += more.left;
    bends += more.bends;
  }
  // Of the best prediction.
  std::uint32_t hits() const {
    std::uint32_t most = 0;
    for (const Counts& each : counts) most = std::max(most, commonest(each));
    return most;
  }
  bool is_tune() const { return bends > loudest_tune * left; }
};

using Matrix = std::array<std::array<double, order>, order>;
using Vector = std::array<double, order>;

// Solves a x = b in place, `a` being symmetric and positive definite (Cholesky); false when it is
// not, as far as numbers of 53 bits can tell.
bool solve(Matrix& a, Vector& b) {
  for (std::size_t i = 0; i < order; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      double sum = a[i][j];
      for (std::size_t k = 0; k < j; ++k) sum -= a[i][k] * a[j][k];
      if (i != j) {
        a[i][j] = sum / a[j][j];
      } else if (sum > 0) {
        a[i][i] = std::sqrt(sum);
      } else {
        return false;
      }
    }
  }
  for (std::size_t i = 0; i < order; ++i) {
    for (std::size_t k = 0; k < i; ++k) b[i] -= a[i][k] * b[k];
    b[i] /= a[i][i];
  }
  for (std::size_t i = order; i-- > 0;) {
    for (std::size_t k = i + 1; k < order; ++k) b[i] -= a[k][i] * b[k];
    b[i] /= a[i][i];
  }
  return true;
}

// Coefficients of the best linear prediction of each sample from the `order` before it (least
// squares, the covariance method, which finds a sine exactly). `x`: a piece, its mean removed.
Vector fit(std::span<const double, piece> x) {
  // c[i][j]: the sum over t of x[t-i] x[t-j]. Each follows from the one before it on its diagonal.
  std::array<std::array<double, order + 1>, order + 1> c{};
  for (std::size_t j = 0; j <= order; ++j) {
    for (std::size_t t = order; t < piece; ++t) c[0][j] += x[t] * x[t - j];
  }
  for (std::size_t i = 1; i <= order; ++i) {
    for (std::size_t j = i; j <= order; ++j) {
      c[i][j] = c[i - 1][j - 1] + x[order - i] * x[order - j] - x[piece - i] * x[piece - j];
    }
  }
  // Rounding to whole steps is noise of 1/12; without any, and for what has fewer than `order`
  // frequencies, a little keeps the matrix regular.
  const double ridge = 1e-10 * c[0][0] + 1e-3 * static_cast<double>(piece);
  Matrix a{};
  Vector b{};
  for (std::size_t i = 0; i < order; ++i) {
    for (std::size_t j = 0; j <= i; ++j) a[i][j] = c[j + 1][i + 1];
    a[i][i] += ridge;
    b[i] = c[0][i + 1];
  }
  return solve(a, b) ? b : Vector{};
}

void predict_linearly(Piece samples, Predictions& found) {
  double sum = 0;
  for (const std::int32_t sample : samples) sum += sample;
  const double mean = sum / static_cast<double>(piece);
  SecretBytes memory(piece * sizeof(double));
  const std::span<double, piece> x(reinterpret_cast<double*>(memory.view().data()), piece);
  std::transform(samples.begin(), samples.end(), x.begin(),
                 [mean](std::int32_t sample) { return sample - mean; });
  const Vector weights = fit(x);
  for (std::size_t t = order; t < piece; ++t) {
    double expected = 0;
    for (std::size_t i = 0; i < order; ++i) expected += weights[i] * x[t - 1 - i];
    const double left = x[t] - expected;
    found.level += x[t] * x[t];
    found.left += left * left;
    count(found.counts.back(), samples[t] - std::llround(mean + expected));
  }
}

void predict_by_differences(Piece samples, Predictions& found) {
  std::array<std::int64_t, differences> before{};
  for (std::size_t t = 0; t < piece; ++t) {
    std::int64_t value = samples[t];
    for (std::size_t d = 0; d < differences; ++d) {
      if (t >= order) {
        count(found.counts[d], value);
        // The variance of white noise is 1 + 4 + 1 times as large in its second differences.
        if (d == 2) found.bends += static_cast<double>(value) * static_cast<double>(value) / 6;
      }
      value -= std::exchange(before[d], value);
    }
  }
}

Predictions predict(Piece samples) {
  Predictions found;
  predict_linearly(samples, found);
  predict_by_differences(samples, found);
  return found;
}

double share_outside(AudioJudge::Block block, double bottom, double top) {
  const auto outside = std::count_if(block.begin(), block.end(), [=](std::int32_t sample) {
    return sample <= bottom || sample >= top;
  });
  return static_cast<double>(outside) / static_cast<double>(block.size());
}

// How often in a row one sample comes, at the most.
unsigned longest_run(AudioJudge::Block block) {
  unsigned longest = 0;
  unsigned run = 0;
  std::int32_t last = 0;
  for (const std::int32_t sample : block) {
    run = run > 0 && sample == last ? run + 1 : 1;
    last = sample;
    longest = std::max(longest, run);
  }
  return longest;
}

// Between `low` and `high`, below the converter's limit.
bool has_plateaus(AudioJudge::Block block, std::int64_t low, std::int64_t high) {
  const std::int64_t range = high - low;
  if (range < least_range) return false;
  const double margin = static_cast<double>(range) / 256;
  return share_outside(block, static_cast<double>(low) + margin,
                       static_cast<double>(high) - margin) > most_at_ends;
}

}  // namespace

// The prediction is chosen after the fact, for the block and for each piece: one of 5, and of each
// the best of 256 constants. 2^-13 of alpha for each of these keeps all together below it. That 32
// weights are fitted to the 2,016 samples that they predict makes hits likelier by 1 in 100 at
// most, which is within the cut-off.
AudioJudge::AudioJudge(double h, unsigned depth)
    : limit_(std::exp2(depth - 1) * 255 / 256),
      run_cutoff_(entropy::repetition_cutoff(h)),
      piece_cutoff_(entropy::proportion_cutoff(h, predicted, entropy::alpha_log2 - 13)),
      block_cutoff_(entropy::proportion_cutoff(h, pieces * predicted, entropy::alpha_log2 - 13)) {}

AudioJudgement AudioJudge::judge(Block block) const {
  AudioJudgement found;
  found.value = block.front();
  const auto [least, most] = std::minmax_element(block.begin(), block.end());
  const std::int64_t low = *least;
  const std::int64_t high = *most;
  if (low == high) {
    found.flaw = AudioFlaw::silent;
    return found;
  }
  Predictions all;
  bool tune = false;
  std::uint32_t most_in_piece = 0;
  for (std::size_t at = 0; at < frames; at += piece) {
    const Predictions these = predict(block.subspan(at).first<piece>());
    tune = tune || these.is_tune();
    most_in_piece = std::max(most_in_piece, these.hits());
    all.add(these);
  }
  const auto bits_of = [](std::uint32_t hits, std::size_t count) {
    return std::log2(static_cast<double>(count) / static_cast<double>(hits));
  };
  const double count = pieces * predicted;
  found.level = std::sqrt(all.level / count);
  found.noise = std::sqrt(all.left / count);
  found.bits = bits_of(all.hits(), pieces * predicted);
  const bool quiet_piece = most_in_piece >= piece_cutoff_;
  if (quiet_piece) found.bits = std::min(found.bits, bits_of(most_in_piece, predicted));

  const bool slow = all.bends < least_bends * all.level;
  if (high - low <= 2) {
    found.flaw = AudioFlaw::dither;
  } else if (commonest(all.counts.front()) == pieces * predicted) {
    found.flaw = AudioFlaw::coarse;
  } else if (share_outside(block, -limit_, limit_) > most_at_limit ||
             (!slow && has_plateaus(block, low, high))) {
    found.flaw = AudioFlaw::clipped;
  } else if (tune || all.is_tune()) {
    found.flaw = AudioFlaw::tune;
  } else if (quiet_piece || all.hits() >= block_cutoff_) {
    found.flaw = AudioFlaw::quiet;
  } else if (longest_run(block) >= run_cutoff_) {
    // Muted in the middle of it: it would fail the test on bytes.
    found.flaw = AudioFlaw::silent;
  }
  return found;
}

AudioNoise::AudioNoise(std::string name, double h, unsigned depth)
    : name_(std::move(name)), h_(h), depth_(depth), judge_(h, depth) {}

void AudioNoise::begin(unsigned rate) {
  wipe(block_.view());
  filled_ = 0;
  ready_ = 0;
  refused_ = 0;
  settling_ = static_cast<std::size_t>(rate * settling_seconds);
  patience_ = static_cast<std::size_t>(rate * patience_seconds);
}

Result<std::size_t> AudioNoise::add(std::span<const std::int32_t> added) {
  const std::size_t skipped = std::min(settling_, added.size());
  settling_ -= skipped;
  if (ready_ > 0) return skipped;
  const std::size_t n = std::min(added.size() - skipped, AudioJudge::frames - filled_);
  std::copy_n(added.begin() + static_cast<std::ptrdiff_t>(skipped), n, samples() + filled_);
  filled_ += n;
  if (filled_ < AudioJudge::frames) return skipped + n;
  if (auto finished = finish_block(); !finished) return tl::unexpected(finished.error());
  return skipped + n;
}

Result<void> AudioNoise::finish_block() {
  last_ = judge_.judge(AudioJudge::Block(samples(), AudioJudge::frames));
  if (last_.flaw == AudioFlaw::none) {
    ready_ = AudioJudge::frames;
    refused_ = 0;
    return {};
  }
  wipe(block_.view());
  filled_ = 0;
  refused_ += AudioJudge::frames;
  if (refused_ < patience_) return {};
  refused_ = 0;
  return fault(complaint());
}

std::size_t AudioNoise::take(MutableBytes out) {
  const std::size_t n = std::min(out.size(), ready_);
  const std::int32_t* const next = samples() + (AudioJudge::frames - ready_);
  std::transform(next, next + n, out.begin(),
                 [](std::int32_t sample) { return static_cast<std::uint8_t>(sample); });
  ready_ -= n;
  if (n > 0 && ready_ == 0) {
    wipe(block_.view());
    filled_ = 0;
  }
  return n;
}

std::string AudioNoise::complaint() const {
  switch (last_.flaw) {
    case AudioFlaw::none:
      break;
    case AudioFlaw::silent:
      return last_.value == 0
                 ? fmt::format(
                       "{} gives only zeros: is it muted, or is nothing plugged in? try "
                       "alsamixer, F4",
                       name_)
                 : fmt::format("{} gives nothing but the value {}: its converter is stuck, or off",
                               name_, last_.value);
    case AudioFlaw::coarse:
      return fmt::format("{}: the low 8 of {} bits never change; {}", name_, depth_,
                         depth_ == 24 ? "its converter has 16, so leave out bits=24"
                                      : "it has too few bits to show its noise");
    case AudioFlaw::dither:
      return fmt::format(
          "{} gives no more than three neighbouring values, which a muted input with dither gives, "
          "too: raise its gain (alsamixer, F4){}",
          name_, depth_ == 16 ? ", or try bits=24" : "");
    case AudioFlaw::clipped:
      return fmt::format(
          "{} is clipped, or hears a square wave: lower its gain (alsamixer, F4), or unplug what "
          "plays into it",
          name_);
    case AudioFlaw::tune:
      return fmt::format(
          "{} hears a tone or music, not noise: {:.1f} steps of the converter, of which {:.1f} "
          "cannot be predicted; unplug what plays into it",
          name_, last_.level, last_.noise);
    case AudioFlaw::quiet:
      return fmt::format(
          "{}: what cannot be predicted has at most {:.2f} bits a sample, {:g} claimed: is it "
          "muted, disconnected, or a tone? raise its gain (alsamixer, F4){}",
          name_, last_.bits, h_, depth_ == 16 ? ", or try bits=24" : "");
  }
  return "";
}

}  // namespace qanat::sources
