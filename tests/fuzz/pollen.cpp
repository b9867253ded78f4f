#include "wire/pollen.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace pollen = qanat::wire::pollen;
  std::array<std::uint8_t, pollen::seed_bytes> seed{};
  (void)pollen::read_reply(qanat::as_bytes(text_of(data, size)), "abc", seed);
  return 0;
}
