// The kernel's pool, random(4): the one privileged call.
#pragma once

#include <cstddef>

#include "base/bytes.h"

namespace qanat::machine {

inline constexpr std::size_t most_kernel_bytes = 512;
inline constexpr std::size_t most_kernel_local = 160;

// RNDADDENTROPY, of which the first `credited` of `bytes` count in full and the rest and `local`
// not at all; then RNDRESEEDCRNG, which makes the kernel use it at once. `fd`: /dev/random, open
// for writing. By the monitor, where this process has one (base/powers.h). 0 or an errno value:
// EPERM without CAP_SYS_ADMIN; EDQUOT: more than the monitor allows a minute; EPIPE: it is gone.
int add_to_kernel(int fd, Bytes bytes, std::size_t credited, Bytes local);

// The same, of the pool as it is found: /dev/random is opened for it.
int add_to_kernels_pool(Bytes bytes, std::size_t credited, Bytes local);

}  // namespace qanat::machine
