// Values of a name's options, as all sources and outlets read them. Each function gives `usual`
// where the option is not written, and throws Failure for a value that is none: what was written,
// and what would be right.
#pragma once

#include "base/clock.h"
#include "entropy/intake.h"
#include "spec/address.h"
#include "spec/grade.h"
#include "spec/spec.h"

namespace qanat::spec {

// The name itself, and what follows its ':', where it must be there.
Spec require_spec(std::string_view text);
std::string require_target(const Spec& spec);
Address require_address(const Spec& spec, std::optional<std::uint16_t> default_port = std::nullopt);

// What is there, or possible; else a Failure that begins with the name.
void require(const Spec& spec, const Result<void>& there);

// yes or no.
bool yes_or_no(const Spec& spec, std::string_view key, bool usual);
// A number of 1 or more.
std::optional<std::size_t> count_of(const Spec& spec, std::string_view key);
// Bytes, such as 64 or 4KiB.
std::size_t size_of(const Spec& spec, std::string_view key, std::size_t usual, std::size_t least,
                    std::size_t most);
// Such as 60s.
Duration duration_of(const Spec& spec, std::string_view key, Duration usual, Duration least);
// grade=full or drbg.
Grade grade_of(const Spec& spec, Grade usual);
// What an operator claims of a source: h= and credit=.
entropy::Claim claim_of(const Spec& spec, entropy::Claim usual);

}  // namespace qanat::spec
