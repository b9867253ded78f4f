#include "sources/stream_source.h"

#include "sources/type.h"
#include "spec/options.h"

namespace qanat::sources {
namespace {

SourcePlan read_raw(const spec::Spec& spec, entropy::Claim usual) {
  return {.name = spec.text,
          .claim = spec::claim_of(spec, usual),
          .note = std::string(unauthenticated),
          .make = stream_maker<StreamSource>(spec),
          .look = look_at_stream(spec)};
}

}  // namespace

// Nobody knows what is behind it.
extern const SourceType raw_type{
    .name = "raw",
    .target = "PATH",
    .usual = {4, false},
    .summary = "whatever a UNIX socket or //HOST:PORT sends; credited 0",
    .read = read_raw,
};

}  // namespace qanat::sources
