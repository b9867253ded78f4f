#include "wire/path.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = text_of(data, size);
  if (const auto path = qanat::wire::decode_path(text)) {
    must(path->size() <= qanat::wire::most_path_nodes);
    must(qanat::wire::decode_path(qanat::wire::encode(*path)) == path);
  }
  if (const auto path = qanat::wire::path_of_chunk(text)) (void)qanat::wire::decode_path(*path);
  return 0;
}
