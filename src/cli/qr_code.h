// A text as a QR code, for a phone or a camera (ISO/IEC 18004), in a terminal.
#pragma once

#include <string>
#include <string_view>

namespace qanat::cli {

// Whether qanat was built with libqrencode.
bool has_qr_codes();
inline constexpr std::string_view without_qrencode =
    "this qanat was built without libqrencode (package libqrencode-dev)";
// Lines of half blocks; `coloured`: dark on light, whatever a terminal's own colours are. Throws
// Failure for a text that is too long, and without the library.
std::string qr_code(std::string_view text, bool coloured);

}  // namespace qanat::cli
