// How a serial line is set before noise is read from it, and how what a device is told gets there.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/waker.h"

namespace qanat::sources {

// Whether a serial line can be set to this speed.
bool known_baud(unsigned baud);

// Raw, 8N1, no flow control, without waiting for a carrier, and to `baud` where there is one; what
// was buffered in either direction is thrown away. DTR falls when the line is closed: some devices
// send for as long as it is up. Waits for no device. `path` is for messages.
Result<void> set_raw_line(int fd, const std::string& path, std::optional<unsigned> baud);

// The speed alone, as a device that is told its mode by speeds takes it. `baud` is a known one.
Result<void> set_speed(int fd, const std::string& path, unsigned baud);
enum class Parity { none, even, odd };
// Of what a device is told by it: USB devices have no line on which it would matter.
Result<void> set_parity(int fd, const std::string& path, Parity parity);

// All of `text`, to a descriptor that does not block. An Error when the device has not taken it
// within `limit`; `interrupted` as soon as `stop` is woken.
Result<void> tell(int fd, const std::string& path, std::string_view text, const Waker& stop,
                  Duration limit);
// The last word before a line is closed: what it takes at once, and `limit` for it to leave. What
// has not left by then is thrown away, as the kernel would wait for it in close(), 30 s long.
void tell_and_leave(int fd, std::string_view text, Duration limit);

}  // namespace qanat::sources
