// Whether secrets can be kept out of swap.
#pragma once

#include <cstddef>
#include <string>

namespace qanat {

// Empty where this process may lock so many bytes more, else what keeps it from that, and what to
// do. Secret memory is to be had in any case (base/secret.h); unlocked it may be written to swap.
std::string why_not_locked(std::size_t bytes);

}  // namespace qanat
