// Which of trickle's questions have had their full-entropy bytes: a copy of one gets none.
// docs/trickle.md, Grade full is given once.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/mutex.h"
#include "wire/trickle.h"

namespace qanat::outlets {

// Two Bloom filters of fixed size, for the generations of cookie keys that this hub's own cookies
// can have. What was spent is never forgotten while its cookie opens; when a filter is full, it is
// new questions that look like spent ones, and grade full goes over HTTPS until the hour ends. A
// client fills its own part, one of 64. Thread-safe.
class SpentQuestions {
 public:
  using Mac = std::array<std::uint8_t, wire::trickle::mac_bytes>;

  // 32 KiB a part: when a client has had 20,000 seeds of grade full in an hour, one of its
  // questions in 300 is taken for a spent one; after 40,000, one in 23.
  static constexpr std::size_t parts = 64;
  static constexpr std::size_t part_bits = std::size_t{1} << 18;
  static constexpr std::size_t hashes = 5;

  // Cookies are sealed under `generation` from now on; those of the one before are still good, if
  // it is the one of the last call. Others open no more.
  void turn(std::uint32_t generation);

  // Whether this question has been spent, or may have been. `mac`: of the request, which stands for
  // the whole of it and which only its client can make. `generation`: of its cookie.
  bool seen(std::uint32_t generation, const wire::trickle::ClientId& client, const Mac& mac) const;
  // Spends it; false when it may have been spent before. Of all threads that try, one succeeds.
  bool spend(std::uint32_t generation, const wire::trickle::ClientId& client, const Mac& mac);

 private:
  struct Filter {
    std::optional<std::uint32_t> generation;
    std::vector<std::uint64_t> words;
  };
  const Filter* of(std::uint32_t generation) const REQUIRES(mutex_);

  mutable Mutex mutex_;
  std::array<Filter, 2> filters_ GUARDED_BY(mutex_);  // by the lowest bit of their generation
};

}  // namespace qanat::outlets
