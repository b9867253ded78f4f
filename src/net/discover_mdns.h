// The part of discovery that asks Avahi.
#pragma once

#include "net/discover.h"

namespace qanat::net {

// As `discover`, of a type like "_qanat._tcp". An Error that says so where this program was built
// without Avahi's library, or no daemon runs.
Result<std::vector<Place>> discover_mdns(const char* type, const Waker& waker);

}  // namespace qanat::net
