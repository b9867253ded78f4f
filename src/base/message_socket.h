// Messages of one size with a descriptor, over a socket pair.
#pragma once

#include "base/files.h"

namespace qanat {

// One message. False, with errno set: the other end is gone, or, unless this `waits`, reads
// nothing.
bool send_message(int socket, Bytes message, int descriptor, bool waits = true);
// The next message into `message`; how many bytes it had (0: the other end is gone; -1: errno).
// `descriptor` is what came with it. One that is longer than `message` has -1 and EMSGSIZE.
ssize_t receive_message(int socket, MutableBytes message, UniqueFd& descriptor);

}  // namespace qanat
