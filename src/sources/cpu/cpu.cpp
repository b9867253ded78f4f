#include "sources/cpu/cpu.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

#include "sources/type.h"
#include "spec/options.h"

namespace qanat::sources {

using namespace std::chrono_literals;

namespace {

// An instruction that all cores share runs dry for moments, when others pull at it, too.
constexpr int most_pauses = 100;
constexpr Duration pause_when_dry = 1ms;

std::string absence_of(const CpuInstruction& instruction) {
  const std::string_view here = this_architecture();
  if (here != instruction.architecture) {
    return fmt::format("{} is an instruction of {}; this is a program for {}", instruction.name,
                       instruction.architecture, here);
  }
  return fmt::format("this processor has no {} ({})", instruction.name, instruction.flag);
}

}  // namespace

Result<void> Cpu::open(const Waker& /*stop*/) {
  if (!instruction_.has()) return error(absence_of(instruction_));
  return {};
}

Result<std::size_t> Cpu::read(MutableBytes out, const Waker& waker) {
  std::size_t done = 0;
  for (int pauses = 0; done < out.size();) {
    std::uint64_t word = 0;
    if (!next_(word)) {
      if (done > 0) return done;
      if (++pauses > most_pauses) {
        return error(fmt::format("{} gave nothing, again and again: is the processor sound?",
                                 instruction_.name));
      }
      if (wait_for(-1, 0, waker, pause_when_dry) == Wake::woken) return std::size_t{0};
      continue;
    }
    if (const std::string why = wrong_with(word); !why.empty()) return fault(why);
    const std::size_t n = std::min(sizeof word, out.size() - done);
    std::memcpy(out.data() + done, &word, n);
    done += n;
  }
  return done;
}

std::string Cpu::wrong_with(std::uint64_t word) {
  const bool flat = word == 0 || ~word == 0;
  const bool same = word == last_;
  last_ = word;
  odd_ = flat || same ? odd_ + 1 : 0;
  if (odd_ < instruction_.fault_run) return "";
  if (!flat) return fmt::format("{} gives the same word again: it is stuck", instruction_.name);
  return fmt::format("{} gave a word of 64 {} as if it were noise: it is broken", instruction_.name,
                     word == 0 ? "zeros" : "ones");
}

void Cpu::close() { wipe({reinterpret_cast<std::uint8_t*>(&last_), sizeof last_}); }

namespace {

SourcePlan plan_cpu(const CpuInstruction& instruction, const spec::Spec& spec,
                    entropy::Claim usual) {
  return {.name = spec.text, .claim = spec::claim_of(spec, usual), .make = [&instruction] {
            return std::make_unique<Cpu>(instruction, instruction.next);
          }};
}

Availability by_instruction(const CpuInstruction& instruction) {
  if (!instruction.has()) return {false, absence_of(instruction)};
  return {true, fmt::format("this processor has {}", instruction.name)};
}

SourcePlan read_rdrand(const spec::Spec& spec, entropy::Claim usual) {
  SourcePlan plan = plan_cpu(rdrand, spec, usual);
  if (spec.option("credit") == "yes") {
    plan.note = "RDRAND is a DRBG: at most what RDSEED gives is in it";
  }
  return plan;
}

}  // namespace

// Intel and AMD claim full entropy (8); half of it, as nobody can look inside.
extern const SourceType rdseed_type{
    .name = "rdseed",
    .usual = {4, true},
    .summary = "the processor's entropy source",
    .read = [](const spec::Spec& spec,
               entropy::Claim usual) { return plan_cpu(rdseed, spec, usual); },
    .available = [] { return by_instruction(rdseed); },
    .by_default = true,
};
extern const SourceType rdrand_type{
    .name = "rdrand",
    .usual = {4, false},
    .summary = "the processor's DRBG; mixed in, credited 0",
    .read = read_rdrand,
    .available = [] { return by_instruction(rdrand); },
    .by_default = true,
};
// Arm asks for a source that conforms to SP 800-90B and a reseeding before each word, which is full
// entropy (8); half of it likewise.
extern const SourceType rndr_type{
    .name = "rndr",
    .usual = {4, true},
    .summary = "the processor's entropy source (arm64 RNDRRS)",
    .read = [](const spec::Spec& spec,
               entropy::Claim usual) { return plan_cpu(rndrrs, spec, usual); },
    .available = [] { return by_instruction(rndrrs); },
    .by_default = true,
};
// Power ISA 3.0: "a minimum of 0.5 bits of entropy per bit", 4 of 8; half of that.
extern const SourceType darn_type{
    .name = "darn",
    .usual = {2, true},
    .summary = "the processor's entropy source (ppc64le)",
    .read = [](const spec::Spec& spec,
               entropy::Claim usual) { return plan_cpu(darn, spec, usual); },
    .available = [] { return by_instruction(darn); },
    .by_default = true,
};

}  // namespace qanat::sources
