// The processor's own generator, whichever it has.
#pragma once

#include <functional>

#include "sources/cpu/cpu_instructions.h"
#include "sources/source.h"

namespace qanat::sources {

// One instruction's words, in the order of their bytes in memory. Words of 64 zeros or ones, and
// one that comes again at once, are a fault at once (CpuInstruction::fault_run): it is how these
// have failed, with zeros on Zen 5 (cpu_instructions.cpp), with all ones after a suspend on older
// AMD.
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
  // Why this word cannot be used, once too many could not; empty when it can be used.
  std::string wrong_with(std::uint64_t word);

  const CpuInstruction& instruction_;
  const Next next_;
  std::uint64_t last_ = 0;  // the word before; 0: none
  int odd_ = 0;             // words in a row that are zeros, ones or the one before
};

}  // namespace qanat::sources
