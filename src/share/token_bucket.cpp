#include "share/token_bucket.h"

#include <algorithm>

namespace qanat::share {
namespace {

constexpr std::int64_t second = 1000000000;
constexpr std::int64_t most_debt = 60 * second;

std::int64_t since_epoch(TimePoint now) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count();
}

// Nanoseconds that `amount` tokens take; at most a year, so that nothing overflows.
std::int64_t time_for(std::uint64_t amount, std::uint64_t rate) {
  constexpr double longest = 365.0 * 86400 * second;
  return static_cast<std::int64_t>(
      std::min(longest, static_cast<double>(amount) * second / static_cast<double>(rate)));
}

// Mixes all bits of a key with a secret (the finaliser of SplitMix64, Steele et al. 2014).
std::uint64_t scatter(std::uint64_t key, std::uint64_t seed) {
  std::uint64_t x = key ^ seed;
  for (int round = 0; round < 2; ++round) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    x ^= (x >> 31) ^ seed;
  }
  return x;
}

// Where a bucket that will be full at `full_at` stands at `time`: never fuller than full, and never
// owing more than anybody can owe.
std::int64_t settled(std::int64_t full_at, std::int64_t time, std::int64_t burst) {
  const bool jumped_back = full_at - time > 2 * burst + most_debt;
  return jumped_back ? time + burst : std::max(full_at, time);
}

}  // namespace

Duration TokenBucket::take(const BucketRate& limit, std::uint64_t amount, TimePoint now) {
  if (limit.rate == 0) return Duration::zero();
  const std::int64_t time = since_epoch(now);
  const std::int64_t burst = time_for(limit.burst, limit.rate);
  const std::int64_t cost = std::min(time_for(amount, limit.rate), burst + most_debt);
  std::int64_t before = full_at_.load(std::memory_order_relaxed);
  for (;;) {
    const std::int64_t full_at = settled(before, time, burst);
    if (full_at - time > burst) return std::chrono::nanoseconds(full_at - time - burst);
    if (full_at_.compare_exchange_weak(before, full_at + cost, std::memory_order_relaxed)) {
      return Duration::zero();
    }
  }
}

Duration TokenBucket::charge(const BucketRate& limit, std::uint64_t amount, TimePoint now) {
  if (limit.rate == 0) return Duration::zero();
  const std::int64_t time = since_epoch(now);
  const std::int64_t burst = time_for(limit.burst, limit.rate);
  std::int64_t before = full_at_.load(std::memory_order_relaxed);
  std::int64_t after = 0;
  do {
    after = std::min(settled(before, time, burst) + time_for(amount, limit.rate),
                     time + 2 * burst + most_debt);
  } while (!full_at_.compare_exchange_weak(before, after, std::memory_order_relaxed));
  return std::chrono::nanoseconds(std::max<std::int64_t>(0, after - time - burst));
}

BucketTable::BucketTable(std::size_t places, std::uint64_t seed)
    : sets_(places / ways), seed_(seed), places_(std::make_unique<Place[]>(places)) {}

TokenBucket& BucketTable::find(std::uint64_t key, TimePoint now) {
  const std::uint64_t hash = scatter(key, seed_);
  const auto tag = static_cast<std::uint32_t>(hash >> 32) | 1;
  Place* const set = &places_[(hash & (sets_ - 1)) * ways];
  Place* least = set;
  for (Place* place = set; place != set + ways; ++place) {
    if (place->tag.load(std::memory_order_relaxed) == tag) return place->bucket;
    if (place->bucket.full_at_.load(std::memory_order_relaxed) <
        least->bucket.full_at_.load(std::memory_order_relaxed)) {
      least = place;
    }
  }
  // Full again: nobody's. Another thread may take it in the same moment; then both use it.
  if (least->bucket.full_at_.load(std::memory_order_relaxed) <= since_epoch(now)) {
    least->tag.store(tag, std::memory_order_relaxed);
  }
  return least->bucket;
}

Duration BucketTable::take(std::uint64_t key, const BucketRate& limit, std::uint64_t amount,
                           TimePoint now) {
  return limit.rate == 0 ? Duration::zero() : find(key, now).take(limit, amount, now);
}

Duration BucketTable::charge(std::uint64_t key, const BucketRate& limit, std::uint64_t amount,
                             TimePoint now) {
  return limit.rate == 0 ? Duration::zero() : find(key, now).charge(limit, amount, now);
}

}  // namespace qanat::share
