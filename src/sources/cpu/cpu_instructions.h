// The generators of processors: each is an instruction. Nothing of ours is included here, so that
// it is compiled and tried for other processors without the rest (tests/acceptance/
// test_cpu_elsewhere.py).
#pragma once

#include <cstdint>

namespace qanat::sources {

struct CpuInstruction {
  const char* name;          // as its maker writes it
  const char* architecture;  // the one that has it, as in `this_architecture`
  const char* flag;          // where a processor says that it has it
  // So many words in a row that are all zeros, all ones or the same as the one before are a fault.
  int fault_run;
  bool (*has)();  // this processor, and this program can ask it
  // One word, all 64 bits of it noise. False: none after as many tries as its maker thinks enough.
  // Where there is no such instruction, it ends the program (SIGILL): ask `has` first.
  bool (*next)(std::uint64_t& word);
};

// The output of the entropy source itself, conditioned (x86-64).
extern const CpuInstruction rdseed;
// A DRBG that RDSEED's entropy source reseeds (x86-64).
extern const CpuInstruction rdrand;
// A DRBG that is reseeded from the entropy source before each word (arm64); RNDR's is not.
extern const CpuInstruction rndrrs;
// The entropy source itself, unconditioned (ppc64le, since POWER9).
extern const CpuInstruction darn;

// What this program was compiled for: "x86-64", "arm64", "ppc64le", or "another processor".
const char* this_architecture();

}  // namespace qanat::sources
