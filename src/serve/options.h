// Options of a name that several outlets read alike; spec/options.h has those of sources, too. Each
// function throws Failure for a value that is wrong: what was written, and what would be right.
#pragma once

#include "serve/limits.h"
#include "serve/schedule.h"
#include "share/terms.h"
#include "spec/spec.h"

namespace qanat::serve {

// rate=, burst=, weight=: of those who draw there without a name, or of the outlet itself.
share::Terms terms_of(const spec::Spec& spec);
// A hardware RNG's driver holds 32 bytes of pool for 256 bits: never fewer at once. And what a
// kernel takes at once (machine/kernel_random.h).
inline constexpr std::size_t least_scheduled_bytes = 32;
inline constexpr std::size_t most_scheduled_bytes = 512;
// every=, bytes=, grade= and the terms of an outlet that delivers by itself.
Schedule schedule_of(const spec::Spec& spec, Schedule usual);
// The same for people: "64 bytes every 1 min 0 s, grade full".
std::string text_of(const Schedule& schedule);
// connections=: what one block of addresses, and one client, may have of an outlet's connections.
void share_out(Limits& limits, const spec::Spec& spec, std::size_t usual);

}  // namespace qanat::serve
