#include "wire/path.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = text_of(data, size);
  if (const auto path = qanat::wire::decode_path(text)) {
    must(path->size() <= qanat::wire::most_path_nodes);
    const auto again = qanat::wire::decode_path(qanat::wire::encode(*path));
    // What is behind bytes here is behind them further down.
    must(again.has_value());
    for (const std::string& id : *path) {
      must(qanat::wire::leads_through(*again, id));
    }
  }
  if (const auto path = qanat::wire::path_of_chunk(text)) (void)qanat::wire::decode_path(*path);
  return 0;
}
