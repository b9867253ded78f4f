#include "wire/join_string.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(text_of(data, size));
  for (const std::string& candidate : {text, "qanat1." + text}) {
    if (const auto join = qanat::wire::decode_join_string(candidate)) {
      must(qanat::wire::decode_join_string(encode(*join)).has_value());
      must(qanat::wire::untangled("\"" + candidate + " \n\"") == candidate);
    }
    const std::string meant = qanat::wire::untangled(candidate);
    must(meant.size() <= candidate.size() && qanat::wire::untangled(meant).size() <= meant.size());
  }
  return 0;
}
