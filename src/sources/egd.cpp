#include "sources/egd.h"

#include "sources/type.h"
#include "spec/options.h"

namespace qanat::sources {
namespace {

SourcePlan read_egd(const spec::Spec& spec, entropy::Claim usual) {
  return {.name = spec.text,
          .claim = spec::claim_of(spec, usual),
          .note = std::string(unauthenticated),
          .make = stream_maker<Egd>(spec, wire::egd::usual_port),
          .look = look_at_stream(spec)};
}

}  // namespace

// Nobody knows what is behind it.
extern const SourceType egd_type{
    .name = "egd",
    .target = "PATH",
    .usual = {4, false},
    .summary = "another EGD: a UNIX socket or //HOST:PORT; credited 0",
    .read = read_egd,
};

}  // namespace qanat::sources
