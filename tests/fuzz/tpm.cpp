#include "wire/tpm.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace tpm = qanat::wire::tpm;
  const qanat::Bytes in = qanat::as_bytes(text_of(data, size));
  const auto answer = tpm::read_answer(in);
  if (!answer) return 0;
  must(in.size() >= 10);
  // Noise is all that follows, and a refusal has none.
  must(answer->code != 0
           ? answer->bytes.empty()
           : !answer->bytes.empty() && answer->bytes.size() <= tpm::most_bytes &&
                 answer->bytes.data() + answer->bytes.size() == in.data() + in.size());
  return 0;
}
