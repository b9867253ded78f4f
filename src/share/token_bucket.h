// Limits of a rate: token buckets, one alone or a fixed number of them for whoever comes.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "base/clock.h"

namespace qanat::share {

// Tokens per second, and at most so many at once. No limit when `rate` is 0.
struct BucketRate {
  std::uint64_t rate = 0;
  std::uint64_t burst = 0;
};

// A token bucket as the one time at which it will be full (GCRA, ITU-T I.371). A taker may take
// more than there is, if there is anything: then it owes, a minute's worth at the most, and has to
// wait before the next. So the rate holds on average, and no request is too large for its bucket.
// A clock that jumps back leaves an empty bucket, not a closed one. Thread-safe, without locks.
class TokenBucket {
 public:
  // Zero when `amount` was taken; else how long until something is there, and nothing was taken.
  Duration take(const BucketRate& limit, std::uint64_t amount, TimePoint now);
  // Taken in any case; how long to wait until nothing is owed: to pace a long transfer.
  Duration charge(const BucketRate& limit, std::uint64_t amount, TimePoint now);

 private:
  friend class BucketTable;
  std::atomic<std::int64_t> full_at_{0};  // ns of the steady clock
};

// Buckets for keys that anybody can make up (addresses), in memory that does not grow: 4-way
// associative, places by a keyed hash that nobody outside can know. A bucket that is full again is
// as good as none, and its place is free. Where all four are in use, a newcomer shares the least
// used one: then two peers have one share, and no flood of keys buys more. Thread-safe.
class BucketTable {
 public:
  // `places`: a power of two, at least 4. `seed`: secret.
  BucketTable(std::size_t places, std::uint64_t seed);

  // As the bucket of `key` does it.
  Duration take(std::uint64_t key, const BucketRate& limit, std::uint64_t amount, TimePoint now);
  Duration charge(std::uint64_t key, const BucketRate& limit, std::uint64_t amount, TimePoint now);

 private:
  static constexpr std::size_t ways = 4;
  struct Place {
    std::atomic<std::uint32_t> tag{0};
    TokenBucket bucket;
  };
  TokenBucket& find(std::uint64_t key, TimePoint now);

  const std::size_t sets_;
  const std::uint64_t seed_;
  std::unique_ptr<Place[]> places_;
};

}  // namespace qanat::share
