// The local kernel's own generator, by getrandom(2): mixed in, credited 0. It is a DRBG, and
// crediting it would count what went into it twice.
#pragma once

#include <sys/random.h>

#include <cerrno>

#include "sources/source.h"

namespace qanat::sources {

class Kernel final : public Source {
 public:
  Result<void> open(const Waker&) override { return {}; }
  Result<std::size_t> read(MutableBytes out, const Waker&) override {
    const ssize_t n = ::getrandom(out.data(), out.size(), GRND_NONBLOCK);
    if (n < 0) return error(with_errno("getrandom", errno));
    return static_cast<std::size_t>(n);
  }
};

}  // namespace qanat::sources
