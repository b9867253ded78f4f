// Another machine's or program's EGD, as a source. docs/protocols/egd.md.
#pragma once

#include "sources/stream_source.h"
#include "wire/egd.h"

namespace qanat::sources {

// Asks for 255 bytes at a time, waiting.
class Egd final : public StreamSource {
 public:
  using StreamSource::StreamSource;

 private:
  Question question() override { return {ask_, wire::egd::most_bytes}; }

  const std::array<std::uint8_t, 2> ask_ =
      wire::egd::encode_read(wire::egd::Verb::wait, wire::egd::most_bytes);
};

}  // namespace qanat::sources
