// What an operator claims of a source: its options h= and credit=.
#pragma once

#include "entropy/intake.h"
#include "wire/spec.h"

namespace qanat::wire {

// `usual` where the options say nothing. Both throw Failure for a value that is none.
entropy::Claim claim_of(const Spec& spec, entropy::Claim usual);
bool credit_of(const Spec& spec, bool usual);

}  // namespace qanat::wire
