#include "sources/runner/skipping.h"

#include "spec/options.h"

namespace qanat::sources {

std::function<std::unique_ptr<Source>()> skipping(const spec::Spec& spec,
                                                  std::function<std::unique_ptr<Source>()> make,
                                                  std::size_t usual) {
  const std::size_t bytes = spec::size_of(spec, "skip", usual, 0, Skipping::most_bytes);
  if (bytes == 0) return make;
  return [make = std::move(make), bytes]() -> std::unique_ptr<Source> {
    return std::make_unique<Skipping>(make(), bytes);
  };
}

}  // namespace qanat::sources
