// A text as a QR code, for a phone or a camera (ISO/IEC 18004), in a terminal.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace qanat::cli {

// Whether libqrencode was built in, and is on this machine, which loads it; an Error says why not.
Result<void> qr_codes();
// Where they can be made: lines of half blocks; `coloured`: dark on light, whatever a terminal's
// own colours are. Throws Failure for a text that is too long.
std::string qr_code(std::string_view text, bool coloured);

}  // namespace qanat::cli
