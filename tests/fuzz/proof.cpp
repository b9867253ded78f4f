#include "wire/proof.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = text_of(data, size);
  (void)qanat::wire::decode_proof(text);
  if (const auto shown = qanat::wire::decode_authorization(text)) {
    const auto again = qanat::wire::decode_authorization(encode(*shown));
    must(again && again->name == shown->name && again->proof == shown->proof);
  }
  return 0;
}
