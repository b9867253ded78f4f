#include "wire/claim.h"

#include <fmt/core.h>

#include <charconv>

namespace qanat::wire {

bool credit_of(const Spec& spec, bool usual) {
  const auto text = spec.option("credit");
  if (!text) return usual;
  if (*text == "yes" || *text == "no") return *text == "yes";
  throw Failure(fmt::format("{}: credit={} is neither yes nor no", spec.text, *text));
}

entropy::Claim claim_of(const Spec& spec, entropy::Claim usual) {
  entropy::Claim claim{usual.h, credit_of(spec, usual.credit)};
  if (const auto text = spec.option("h")) {
    const auto [end, problem] = std::from_chars(text->data(), text->data() + text->size(), claim.h);
    // Below 1/32 a window of 512 samples has cut-offs that nothing can exceed.
    if (problem != std::errc() || end != text->data() + text->size() || !(claim.h >= 1.0 / 32) ||
        !(claim.h <= 8)) {
      throw Failure(fmt::format(
          "{}: h={} is no min-entropy; write bits per byte, from 0.03125 to 8", spec.text, *text));
    }
  }
  return claim;
}

}  // namespace qanat::wire
