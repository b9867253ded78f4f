// The part of discovery that asks Avahi.
#pragma once

#include "net/discover.h"

namespace qanat::net {

// Whether Avahi's library was built in, and is on this machine, which loads it; an Error says why
// not.
Result<void> mdns();
// As `discover`, of a type like "_qanat._tcp". An Error that says so where there is no library, or
// no daemon runs.
Result<std::vector<Place>> discover_mdns(const char* type, const Waker& waker);

}  // namespace qanat::net
