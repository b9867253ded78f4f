// For test_cpu_elsewhere.py, compiled for other processors: what the program says of each
// instruction, "RNDRRS has", "RDSEED lacks", "darn dry", and of one that is there some words of it.
#include <cinttypes>
#include <cstdio>
#include <initializer_list>

#include "sources/cpu/cpu_instructions.h"

int main() {
  using namespace qanat::sources;
  constexpr int words = 64;
  std::puts(this_architecture());
  for (const CpuInstruction* instruction : {&rdseed, &rdrand, &rndrrs, &darn}) {
    if (!instruction->has()) {
      std::printf("%s lacks\n", instruction->name);
      continue;
    }
    std::printf("%s has", instruction->name);
    for (int i = 0; i < words; ++i) {
      std::uint64_t word = 0;
      if (!instruction->next(word)) {
        std::printf(" dry");
        break;
      }
      std::printf(" %016" PRIx64, word);
    }
    std::putchar('\n');
  }
}
