#include "sources/jitter.h"

#include "sources/type.h"
#include "spec/options.h"

namespace qanat::sources {
namespace {

SourcePlan read_jitter(const spec::Spec& spec, entropy::Claim usual) {
  return {.name = spec.text, .claim = spec::claim_of(spec, usual), .make = [] {
            return std::make_unique<Jitter>();
          }};
}

}  // namespace

// The best predictor tried found 4.4 bits a sample (docs/sources.md); a quarter of that, less.
extern const SourceType jitter_type{
    .name = "jitter",
    .usual = {1, true},
    .summary = "CPU timing noise",
    .read = read_jitter,
    .by_default = true,
};

}  // namespace qanat::sources
