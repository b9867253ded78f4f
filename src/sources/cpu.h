// The processor's own generator, whichever it has.
#pragma once

#include <functional>

#include "sources/cpu_instructions.h"
#include "sources/source.h"

namespace qanat::sources {

// One instruction's words, in the order of their bytes in memory. A word of 64 zeros or ones, and
// one that comes twice in a row, is a fault at once: by chance it comes once in 2^62 words, which
// take 100,000 years at the million a second that RDSEED gives; and it is how they have failed:
// zeros on Zen 5 (cpu_instructions.cpp), all ones after a suspend on older AMD (RDRAND).
class Cpu final : public Source {
 public:
  using Next = std::function<bool(std::uint64_t& word)>;
  // `next`: the instruction's, but for tests.
  Cpu(const CpuInstruction& instruction, Next next)
      : instruction_(instruction), next_(std::move(next)) {}
  ~Cpu() override { close(); }

  Result<void> open(const Waker&) override;
  Result<std::size_t> read(MutableBytes out, const Waker& waker) override;
  void close() override;

 private:
  const CpuInstruction& instruction_;
  const Next next_;
  std::uint64_t last_ = 0;  // the word before; 0: none
};

}  // namespace qanat::sources
