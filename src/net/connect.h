// Blocking connections, with time limits.
#pragma once

#include <string>

#include "base/files.h"
#include "base/waker.h"
#include "wire/spec.h"

namespace qanat::net {

// A non-blocking socket that is connected. Tries each address that the name has, in order; the
// error names the last. An Error with an empty message: the waker was woken.
Result<UniqueFd> connect_tcp(const wire::Address& address, const Waker& waker, Duration timeout);
Result<UniqueFd> connect_unix(const std::string& path);

}  // namespace qanat::net
