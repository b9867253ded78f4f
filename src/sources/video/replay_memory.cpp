#include "sources/video/replay_memory.h"

#include <algorithm>
#include <bit>
#include <new>
#include <type_traits>

namespace qanat::sources::video {
namespace {

constexpr float fading = 7.0F / 8;
// Standard deviations: by chance once in 10^15 comparisons, of which 30 pictures a second make
// 4 * 10^12 a year; and several in a row are asked for (frame_noise.cpp).
constexpr float convicting_deviations = 8;
// Of all bits that were compared, so many more agree than do not: 64 % do. Where some of the scene
// comes again to the pixel, as behind a fan, the noise of the rest says that it is no recording.
constexpr float convicting_share = 0.28F;
// Fewer say nothing.
constexpr int least_bits = 16;

}  // namespace

ReplayMemory::ReplayMemory() : memory_(pictures * sizeof(Remembered)), scores_(pictures + 1) {
  static_assert(std::is_trivially_copyable_v<Remembered>);
  for (std::size_t i = 0; i < pictures; ++i)
    new (memory_.view().data() + i * sizeof(Remembered)) Remembered;
}

std::span<ReplayMemory::Remembered> ReplayMemory::ring() {
  return {std::launder(reinterpret_cast<Remembered*>(memory_.view().data())), pictures};
}

bool ReplayMemory::convicts(Score& score, const Fingerprint& now, const Fingerprint& then) const {
  int compared = 0;
  int differing = 0;
  for (std::size_t i = 0; i < now.known.size(); ++i) {
    const std::uint64_t both = now.known[i] & then.known[i];
    compared += std::popcount(both);
    differing += std::popcount(both & (now.larger[i] ^ then.larger[i]));
  }
  if (compared < least_bits) return false;
  score.agreed = score.agreed * fading + static_cast<float>(compared - 2 * differing);
  score.compared = score.compared * fading + static_cast<float>(compared);
  score.variance = score.variance * fading * fading + static_cast<float>(compared);
  return score.agreed > convicting_share * score.compared &&
         score.agreed * score.agreed >
             convicting_deviations * convicting_deviations * score.variance;
}

std::optional<ReplayMemory::Match> ReplayMemory::add(const Fingerprint& print, TimePoint now) {
  const auto remembered = ring();
  std::optional<Match> match;
  const std::size_t reach = std::min(count_, pictures);
  for (std::size_t distance = 1; distance <= reach; ++distance) {
    const Remembered& then = remembered[(count_ - distance) % pictures];
    const bool same = distance > 1 && print.exact != 0 && print.exact == then.print.exact;
    const bool alike = distance >= least_distance && convicts(scores_[distance], print, then.print);
    if ((same || alike) && !match) match = Match{distance, now - then.at};
  }
  remembered[count_ % pictures] = {print, now};
  ++count_;
  return match;
}

}  // namespace qanat::sources::video
