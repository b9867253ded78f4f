#include "serve/options.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/quantity.h"
#include "spec/options.h"

namespace qanat::serve {

share::Terms terms_of(const spec::Spec& spec) {
  share::Terms terms;
  const auto number = [&](std::string_view key, auto parse, std::uint64_t& out,
                          std::string_view example) {
    const auto text = spec.option(key);
    if (!text) return;
    const auto value = parse(*text);
    if (!value) {
      throw Failure(fmt::format("{}: {}={} is not understood; write it like {}", spec.text, key,
                                *text, example));
    }
    out = *value;
  };
  number("rate", parse_rate, terms.rate, "1KiB/s");
  number("burst", parse_size, terms.burst, "4KiB");
  if (const auto text = spec.option("weight")) {
    const auto weight = parse_number<double>(*text);
    if (!weight) throw Failure(fmt::format("{}: weight={} is not a number", spec.text, *text));
    terms.weight = *weight;
  }
  spec::require(spec, share::check(terms));
  return terms;
}

Schedule schedule_of(const spec::Spec& spec, Schedule usual) {
  usual.terms = terms_of(spec);
  usual.every = spec::duration_of(spec, "every", usual.every, std::chrono::seconds(1));
  usual.bytes =
      spec::size_of(spec, "bytes", usual.bytes, least_scheduled_bytes, most_scheduled_bytes);
  usual.grade = spec::grade_of(spec, usual.grade);
  return usual;
}

std::string text_of(const Schedule& schedule) {
  return fmt::format("{} bytes every {}, grade {}", schedule.bytes, format_duration(schedule.every),
                     to_string(schedule.grade));
}

// What one block of addresses, and one client, may have of an outlet's connections.
void share_out(Limits& limits, const spec::Spec& spec, std::size_t usual) {
  constexpr std::size_t part_of_a_client = 8;
  constexpr std::size_t least_of_a_client = 8;
  limits.peer_connections =
      spec::count_of(spec, "connections").value_or(std::max<std::size_t>(usual, 1));
  limits.client_connections = std::max(least_of_a_client, limits.connections / part_of_a_client);
}

}  // namespace qanat::serve
