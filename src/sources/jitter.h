// CPU timing jitter as a noise source: raw time deltas, one a sample.
#pragma once

#include "base/timing_noise.h"
#include "sources/source.h"

namespace qanat::sources {

class Jitter final : public Source {
 public:
  Result<void> open(const Waker&) override { return {}; }
  Result<std::size_t> read(MutableBytes out, const Waker&) override {
    noise_.fill(out);
    return out.size();
  }

 private:
  TimingNoise noise_;
};

}  // namespace qanat::sources
