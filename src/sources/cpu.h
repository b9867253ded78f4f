// The processor's own generator: RDSEED and RDRAND (x86).
#pragma once

#include "sources/source.h"

namespace qanat::sources {

// Whether this processor has the instruction.
bool has_rdseed();
bool has_rdrand();

// RDSEED: the conditioned output of the entropy source itself.
class Rdseed final : public Source {
 public:
  Result<void> open(const Waker&) override;
  Result<std::size_t> read(MutableBytes out, const Waker& waker) override;
};

// RDRAND: a DRBG that RDSEED's entropy source reseeds. Not a noise source: credited 0 by default.
class Rdrand final : public Source {
 public:
  Result<void> open(const Waker&) override;
  Result<std::size_t> read(MutableBytes out, const Waker& waker) override;
};

}  // namespace qanat::sources
