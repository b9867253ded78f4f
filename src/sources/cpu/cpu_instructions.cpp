#include "sources/cpu/cpu_instructions.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#elif defined(__aarch64__) || defined(__powerpc64__)
#include <sys/auxv.h>
#endif

namespace qanat::sources {
namespace {

// Of a conditioned word one is enough: by chance it comes once in 2^62. Of raw noise two: Power ISA
// promises 0.5 bits a bit, so that each may come once in 2^32 words, an hour of them.
constexpr int conditioned = 1;
constexpr int raw = 2;

using Step = bool (*)(std::uint64_t&);

[[maybe_unused]] void relax() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

template <Step step, int tries>
bool persist(std::uint64_t& word) {
  for (int i = 0; i < tries; ++i) {
    if (step(word)) return true;
    relax();
  }
  return false;
}

[[maybe_unused]] bool never() { return false; }
[[maybe_unused]] bool nothing(std::uint64_t& /*word*/) { return false; }

#if defined(__x86_64__)

// Of the three forms of each, the one of 64 bits: on AMD's Zen 5 RDSEED of 16 and of 32 bits gave 0
// with the flag of success far too often (CVE-2025-62626, AMD-SB-7055); that of 64 bits did not.
__attribute__((target("rdseed"))) bool step_rdseed(std::uint64_t& word) {
  unsigned long long got = 0;
  const bool there = _rdseed64_step(&got) == 1;
  word = got;
  return there;
}
__attribute__((target("rdrnd"))) bool step_rdrand(std::uint64_t& word) {
  unsigned long long got = 0;
  const bool there = _rdrand64_step(&got) == 1;
  word = got;
  return there;
}

bool has_rdseed() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & bit_RDSEED) != 0;
}
bool has_rdrand() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_RDRND) != 0;
}

#elif defined(__aarch64__)

// Arm's manual (DDI 0487): it sets the flag Z when it has no number in reasonable time, else
// clears it.
bool step_rndrrs(std::uint64_t& word) {
  std::uint32_t failed = 0;
  asm volatile("mrs %0, s3_3_c2_c4_1\n\tcset %w1, eq" : "=r"(word), "=r"(failed) : : "cc");
  return failed == 0;
}

bool has_rndrrs() {
  constexpr unsigned long rng = 1UL << 16U;  // HWCAP2_RNG: FEAT_RNG, which is both instructions
  return (::getauxval(AT_HWCAP2) & rng) != 0;
}

#elif defined(__powerpc64__)

// Power ISA 3.0: L=2 is "unconditioned noise source output", and L=1 the same "processed by
// hardware to reduce bias"; health tests must see the former. All ones reports an error.
bool step_darn(std::uint64_t& word) {
  asm volatile(".machine push\n\t.machine power9\n\tdarn %0, 2\n\t.machine pop" : "=r"(word));
  return word != ~std::uint64_t{0};
}

bool has_darn() {
  constexpr unsigned long deliver_a_random_number = 0x00200000;  // PPC_FEATURE2_DARN
  return (::getauxval(AT_HWCAP2) & deliver_a_random_number) != 0;
}

#endif

}  // namespace

// RDSEED runs dry when several cores pull. Botan saw at most 230 failures in a row and allows
// 1,024. Intel's guide: RDRAND that fails ten times in a row is broken.
#if defined(__x86_64__)
const CpuInstruction rdseed{"RDSEED",    "x86-64",   "CPUID 7: EBX bit 18",
                            conditioned, has_rdseed, persist<step_rdseed, 1024>};
const CpuInstruction rdrand{"RDRAND",    "x86-64",   "CPUID 1: ECX bit 30",
                            conditioned, has_rdrand, persist<step_rdrand, 10>};
#else
const CpuInstruction rdseed{"RDSEED", "x86-64", "CPUID 7: EBX bit 18", conditioned, never, nothing};
const CpuInstruction rdrand{"RDRAND", "x86-64", "CPUID 1: ECX bit 30", conditioned, never, nothing};
#endif

// Arm names no number of tries; ten, as the others do.
#if defined(__aarch64__)
const CpuInstruction rndrrs{"RNDRRS",    "arm64",    "HWCAP2 bit 16",
                            conditioned, has_rndrrs, persist<step_rndrrs, 10>};
#else
const CpuInstruction rndrrs{"RNDRRS", "arm64", "HWCAP2 bit 16", conditioned, never, nothing};
#endif

// Power ISA 3.0, note on darn: ten attempts should be adequate.
#if defined(__powerpc64__)
const CpuInstruction darn{"darn", "ppc64le", "HWCAP2 bit 21",
                          raw,    has_darn,  persist<step_darn, 10>};
#else
const CpuInstruction darn{"darn", "ppc64le", "HWCAP2 bit 21", raw, never, nothing};
#endif

const char* this_architecture() {
#if defined(__x86_64__)
  return "x86-64";
#elif defined(__aarch64__)
  return "arm64";
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
  return "ppc64le";
#else
  return "another processor";
#endif
}

}  // namespace qanat::sources
