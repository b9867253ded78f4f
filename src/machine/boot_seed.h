// A seed that this machine was created with, from `qanat seed --for-guest`: taken once.
#pragma once

#include <functional>
#include <string>

#include "base/bytes.h"
#include "base/error.h"
#include "machine/kernel_random.h"

namespace qanat::machine {

// What became of one.
struct BootSeedUse {
  std::size_t bytes = 0;
  bool credited = false;
  bool removed = false;  // its file
  std::string why_not;   // it was not credited
};

struct BootSeed {
  static constexpr std::size_t least_bytes = 32;
  static constexpr std::size_t most_bytes = machine::most_kernel_bytes;

  std::string path;  // of a file that nobody else may read
  bool credit = true;
  bool insist = false;  // it counts even where nothing can be remembered
};

// Reads it, and gives it to the kernel by `give` (bytes, how many of them count). A machine that
// boots again finds the same bytes there: so that they are used is remembered in `used_seeds`, on
// the disk, before they count; those that were used before, or of which it cannot be remembered,
// are mixed in and count nothing. A file of the machine's own is removed. An Error: it is not
// there, no secret, no seed, or the kernel refuses it.
//
// Draws no random bytes and allocates no secret memory: on a kernel without a seed, both would have
// to wait for one.
using GiveToKernel = std::function<Result<void>(Bytes bytes, std::size_t credited)>;
Result<BootSeedUse> use_boot_seed(const BootSeed& seed, const std::string& used_seeds,
                                  const GiveToKernel& give);

// The real one.
Result<void> give_to_kernel(Bytes bytes, std::size_t credited);

}  // namespace qanat::machine
