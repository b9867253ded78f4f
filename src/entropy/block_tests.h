// Statistical tests on blocks of bytes. They inform, and decide at most that a transfer from
// another node is not credited; they never credit anything.
#pragma once

#include <cstdint>
#include <optional>

#include "base/secret.h"

namespace qanat::entropy {

constexpr std::size_t fips_block_bytes = 2500;  // 20,000 bits

// FIPS 140-2 (change notice 1) 4.9.1: monobit, poker, runs, long runs. True for a block that passes
// all four. An ideal source fails about one block in 1,250.
bool passes_fips_140_2(std::span<const std::uint8_t, fips_block_bytes> block);

// Chi-square of the 16 frequencies of 4-bit blocks, 15 degrees of freedom. Beyond
// `nibble_limit` the block is "weak" in rngnet's words.
double nibble_chi_square(Bytes block);
// Exceeded by an ideal source with probability 2^-20.
constexpr double nibble_limit = 56.62;

// Runs both over a stream, cut into blocks of 2,500 bytes.
class BlockTests {
 public:
  struct Counts {
    std::uint64_t blocks = 0;
    std::uint64_t fips_failed = 0;
    std::uint64_t weak = 0;

    Counts& operator+=(const Counts& other) {
      blocks += other.blocks;
      fips_failed += other.fips_failed;
      weak += other.weak;
      return *this;
    }
  };

  BlockTests() : block_(fips_block_bytes) {}
  // False when a block that ended within `bytes` failed FIPS 140-2 or was weak.
  bool add(Bytes bytes);
  const Counts& counts() const { return counts_; }

 private:
  SecretBytes block_;
  std::size_t filled_ = 0;
  Counts counts_;
};

}  // namespace qanat::entropy
