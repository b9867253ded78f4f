#include "sources/kernel.h"

#include "sources/type.h"
#include "spec/options.h"

namespace qanat::sources {
namespace {

SourcePlan read_kernel(const spec::Spec& spec, entropy::Claim usual) {
  return {.name = spec.text,
          .claim = spec::claim_of(spec, usual),
          .note = spec.option("credit") == "yes"
                      ? "the kernel's bytes are credited: what this node feeds to it comes back as "
                        "new"
                      : "",
          .make = [] { return std::make_unique<Kernel>(); }};
}

}  // namespace

extern const SourceType kernel_type{
    .name = "kernel",
    .usual = {4, false},
    .summary = "the local kernel's getrandom; mixed in, credited 0",
    .read = read_kernel,
    .by_default = true,
};

}  // namespace qanat::sources
