#include "entropy/block_tests.h"

#include <algorithm>
#include <array>
#include <bit>

namespace qanat::entropy {
namespace {

std::array<unsigned, 16> nibble_counts(Bytes block) {
  std::array<unsigned, 16> counts{};
  for (const std::uint8_t byte : block) {
    ++counts[byte >> 4];
    ++counts[byte & 15];
  }
  return counts;
}

struct Interval {
  unsigned low, high;
  bool contains(unsigned value) const { return low <= value && value <= high; }
};

// FIPS 140-2, 4.9.1, table 3: runs of length 1 to 5, and of 6 or more.
constexpr std::array<Interval, 6> run_intervals{
    {{2315, 2685}, {1114, 1386}, {527, 723}, {240, 384}, {103, 209}, {103, 209}}};
constexpr unsigned long_run = 26;

bool runs_pass(Bytes block) {
  std::array<std::array<unsigned, 6>, 2> runs{};
  unsigned length = 0;
  int current = -1;
  bool long_seen = false;
  const auto end_run = [&] {
    if (length == 0) return;
    ++runs[static_cast<std::size_t>(current)][std::min(length, 6U) - 1];
    long_seen = long_seen || length >= long_run;
  };
  for (const std::uint8_t byte : block) {
    for (int shift = 7; shift >= 0; --shift) {
      const int bit = byte >> shift & 1;
      if (bit == current) {
        ++length;
        continue;
      }
      end_run();
      current = bit;
      length = 1;
    }
  }
  end_run();
  if (long_seen) return false;
  for (const auto& of_value : runs) {
    for (std::size_t i = 0; i < of_value.size(); ++i) {
      if (!run_intervals[i].contains(of_value[i])) return false;
    }
  }
  return true;
}

}  // namespace

double nibble_chi_square(Bytes block) {
  const double expected = static_cast<double>(block.size()) * 2 / 16;
  double sum = 0;
  for (const unsigned count : nibble_counts(block)) sum += (count - expected) * (count - expected);
  return block.empty() ? 0 : sum / expected;
}

bool passes_fips_140_2(std::span<const std::uint8_t, fips_block_bytes> block) {
  unsigned ones = 0;
  for (const std::uint8_t byte : block) ones += static_cast<unsigned>(std::popcount(byte));
  if (ones <= 9725 || ones >= 10275) return false;
  // The poker test's X is this chi-square.
  const double poker = nibble_chi_square(block);
  if (poker <= 2.16 || poker >= 46.17) return false;
  return runs_pass(block);
}

bool BlockTests::add(Bytes bytes) {
  bool ok = true;
  const MutableBytes block = block_.view();
  while (!bytes.empty()) {
    const std::size_t n = std::min(bytes.size(), fips_block_bytes - filled_);
    std::copy_n(bytes.begin(), n, block.begin() + static_cast<std::ptrdiff_t>(filled_));
    filled_ += n;
    bytes = bytes.subspan(n);
    if (filled_ < fips_block_bytes) break;
    filled_ = 0;
    ++counts_.blocks;
    const bool fips = passes_fips_140_2(Bytes(block).first<fips_block_bytes>());
    const bool weak = nibble_chi_square(block) > nibble_limit;
    counts_.fips_failed += fips ? 0 : 1;
    counts_.weak += weak ? 1 : 0;
    ok = ok && fips && !weak;
  }
  return ok;
}

}  // namespace qanat::entropy
