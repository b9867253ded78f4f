#include "sources/cpu.h"

#include <fmt/core.h>

#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

#include "sources/type.h"
#include "spec/options.h"

namespace qanat::sources {
namespace {

#if defined(__x86_64__)

// Intel's guide: RDRAND that fails ten times in a row is broken.
constexpr int rdrand_tries = 10;
// RDSEED runs dry when several cores pull. Botan saw at most 230 failures in a row and allows
// 1,024.
constexpr int rdseed_tries = 1024;

__attribute__((target("rdseed"))) bool rdseed(unsigned long long& word) {
  for (int i = 0; i < rdseed_tries; ++i) {
    if (_rdseed64_step(&word) == 1) return true;
    _mm_pause();
  }
  return false;
}

__attribute__((target("rdrnd"))) bool rdrand(unsigned long long& word) {
  for (int i = 0; i < rdrand_tries; ++i) {
    if (_rdrand64_step(&word) == 1) return true;
  }
  return false;
}

#else

bool rdseed(unsigned long long&) { return false; }
bool rdrand(unsigned long long&) { return false; }

#endif

Result<std::size_t> fill(MutableBytes out, bool (*next)(unsigned long long&), const char* name) {
  std::size_t done = 0;
  while (done < out.size()) {
    unsigned long long word = 0;
    if (!next(word)) {
      if (done > 0) return done;
      return error(std::string(name) + " gave nothing, again and again: is the processor sound?");
    }
    const std::size_t n = std::min(sizeof word, out.size() - done);
    std::memcpy(out.data() + done, &word, n);
    done += n;
  }
  return done;
}

}  // namespace

bool has_rdseed() {
#if defined(__x86_64__)
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & bit_RDSEED) != 0;
#else
  return false;
#endif
}

bool has_rdrand() {
#if defined(__x86_64__)
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_RDRND) != 0;
#else
  return false;
#endif
}

Result<void> Rdseed::open(const Waker& /*stop*/) {
  if (!has_rdseed()) return error("this processor has no RDSEED");
  return {};
}
Result<std::size_t> Rdseed::read(MutableBytes out, const Waker&) {
  return fill(out, rdseed, "RDSEED");
}

Result<void> Rdrand::open(const Waker& /*stop*/) {
  if (!has_rdrand()) return error("this processor has no RDRAND");
  return {};
}
Result<std::size_t> Rdrand::read(MutableBytes out, const Waker&) {
  return fill(out, rdrand, "RDRAND");
}

namespace {

SourcePlan read_rdseed(const spec::Spec& spec, entropy::Claim usual) {
  return {.name = spec.text, .claim = spec::claim_of(spec, usual), .make = [] {
            return std::make_unique<Rdseed>();
          }};
}

SourcePlan read_rdrand(const spec::Spec& spec, entropy::Claim usual) {
  return {.name = spec.text,
          .claim = spec::claim_of(spec, usual),
          .note = spec.option("credit") == "yes"
                      ? "RDRAND is a DRBG: at most what RDSEED gives is in it"
                      : "",
          .make = [] { return std::make_unique<Rdrand>(); }};
}

Availability by_instruction(bool has, std::string_view name) {
  return {has, fmt::format("this processor has {}{}", has ? "" : "no ", name)};
}

}  // namespace

// Intel and AMD claim full entropy (8); half of it, as nobody can look inside.
extern const SourceType rdseed_type{
    .name = "rdseed",
    .usual = {4, true},
    .summary = "the processor's entropy source",
    .read = read_rdseed,
    .available = [] { return by_instruction(has_rdseed(), "RDSEED"); },
    .by_default = true,
};
extern const SourceType rdrand_type{
    .name = "rdrand",
    .usual = {4, false},
    .summary = "the processor's DRBG; mixed in, credited 0",
    .read = read_rdrand,
    .available = [] { return by_instruction(has_rdrand(), "RDRAND"); },
    .by_default = true,
};

}  // namespace qanat::sources
