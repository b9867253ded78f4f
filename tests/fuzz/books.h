// What a source is given to work with, and the books that it has to leave balanced.
#pragma once

#include "fuzz.h"
#include "sources/runner/running_source.h"

namespace qanat::fuzz {

struct Books {
  Books() = default;
  Books(const Books&) = delete;
  Books& operator=(const Books&) = delete;
  ~Books() { must(dispenser.report().total.balanced()); }

  share::Dispenser dispenser{4096, 4096};
  entropy::ConditioningKey key{Bytes(std::array<std::uint8_t, 64>())};
  entropy::Provenance provenance;
  const Clock clock{};
  const sources::SourceServices services{
      .dispenser = dispenser,
      .key = key,
      .provenance = provenance,
      .clock = clock,
      .on_event = [](const std::string&, const std::string&, EventKind) {},
      .cookie_directory = {},
      .seeds = true};
};

}  // namespace qanat::fuzz
