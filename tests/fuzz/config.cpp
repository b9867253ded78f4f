#include "node/config.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto config = qanat::node::parse_config(text_of(data, size), "fuzz.toml");
    must(config.threads >= 1 && config.reserve_bytes >= 4096);
  } catch (const qanat::Failure& problem) {
    must(std::string_view(problem.what()).starts_with("fuzz.toml:"));
  }
  return 0;
}
