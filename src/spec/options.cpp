#include "spec/options.h"

#include <fmt/core.h>

#include "base/quantity.h"

namespace qanat::spec {

Spec require_spec(std::string_view text) {
  auto spec = parse_spec(text);
  if (!spec) throw Failure(spec.error().message);
  return std::move(*spec);
}

std::string require_target(const Spec& spec) {
  if (spec.target.empty()) {
    throw Failure(fmt::format("'{}' does not say which; write {}:PATH", spec.text, spec.type));
  }
  return spec.target;
}

Address require_address(const Spec& spec, std::optional<std::uint16_t> default_port) {
  auto address = parse_address(spec.target, default_port);
  if (!address) throw Failure(fmt::format("{}: {}", spec.text, address.error().message));
  return std::move(*address);
}

void require(const Spec& spec, const Result<void>& there) {
  if (!there) throw Failure(fmt::format("{}: {}", spec.text, there.error().message));
}

bool yes_or_no(const Spec& spec, std::string_view key, bool usual) {
  const auto text = spec.option(key);
  if (!text) return usual;
  if (*text == "yes" || *text == "no") return *text == "yes";
  throw Failure(fmt::format("{}: {}={} is neither yes nor no", spec.text, key, *text));
}

std::optional<std::size_t> count_of(const Spec& spec, std::string_view key) {
  const auto text = spec.option(key);
  if (!text) return std::nullopt;
  const auto count = parse_number<std::size_t>(*text);
  if (count.value_or(0) == 0) {
    throw Failure(fmt::format("{}: {}={} is not a number of 1 or more", spec.text, key, *text));
  }
  return count;
}

std::size_t size_of(const Spec& spec, std::string_view key, std::size_t usual, std::size_t least,
                    std::size_t most) {
  const auto text = spec.option(key);
  if (!text) return usual;
  const auto size = parse_size(*text);
  if (!size || *size < least || *size > most) {
    throw Failure(fmt::format("{}: {}={} is not a size between {} and {} bytes", spec.text, key,
                              *text, least, most));
  }
  return static_cast<std::size_t>(*size);
}

Duration duration_of(const Spec& spec, std::string_view key, Duration usual, Duration least) {
  const auto text = spec.option(key);
  if (!text) return usual;
  const auto duration = parse_duration(*text);
  if (!duration || *duration < least) {
    throw Failure(fmt::format("{}: {}={} is not a duration of {} or more", spec.text, key, *text,
                              format_duration(least)));
  }
  return *duration;
}

Grade grade_of(const Spec& spec, Grade usual) {
  const auto text = spec.option("grade");
  if (!text) return usual;
  const auto grade = parse_grade(*text);
  if (!grade) throw Failure(fmt::format("{}: grade={} is neither full nor drbg", spec.text, *text));
  return *grade;
}

entropy::Claim claim_of(const Spec& spec, entropy::Claim usual) {
  entropy::Claim claim{usual.h, usual.credit};
  if (const auto credit = spec.option("credit")) {
    if (*credit != "yes" && *credit != "no" && *credit != "insist") {
      throw Failure(
          fmt::format("{}: credit={} is neither yes nor no nor insist", spec.text, *credit));
    }
    claim.credit = *credit != "no";
    claim.insist = *credit == "insist";
    claim.vouched = claim.credit;
  }
  const auto text = spec.option("h");
  // Below 1/32 a window of 512 samples has cut-offs that nothing can exceed.
  if (!text) return claim;
  claim.h = parse_number<double>(*text).value_or(0);
  if (!(claim.h >= 1.0 / 32) || !(claim.h <= 8)) {
    throw Failure(fmt::format(
        "{}: h={} is not a min-entropy; write bits per byte, from 0.03125 to 8", spec.text, *text));
  }
  return claim;
}

}  // namespace qanat::spec
