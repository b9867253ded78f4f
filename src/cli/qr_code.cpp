#include "cli/qr_code.h"

#if defined(QANAT_QRENCODE)

#include <qrencode.h>

#include <cerrno>
#include <memory>

#include "base/library.h"

namespace qanat::cli {
namespace {

// Light, which a reader needs around it: 4 modules (ISO/IEC 18004, 9.1), of which terminals show
// two as well.
constexpr int margin = 2;
constexpr std::string_view dark_on_light = "\033[30;47m";
constexpr std::string_view usual_colours = "\033[0m";

struct Qrencode : Libraries {
  const Library library = load("qrencode", 4);
  QANAT_FUNCTION(library, QRcode_encodeString8bit);
  QANAT_FUNCTION(library, QRcode_free);
};
const Qrencode& qrencode() {
  static const Qrencode loaded;
  return loaded;
}

struct FreeCode {
  void operator()(QRcode* code) const { qrencode().QRcode_free(code); }
};
using Code = std::unique_ptr<QRcode, FreeCode>;

bool is_dark(const QRcode& code, int row, int column) {
  if (row < 0 || column < 0 || row >= code.width || column >= code.width) return false;
  return (code.data[row * code.width + column] & 1U) != 0;
}

}  // namespace

Result<void> qr_codes() { return qrencode().there(); }

std::string qr_code(std::string_view text, bool coloured) {
  const std::string terminated(text);
  const Code code(qrencode().QRcode_encodeString8bit(terminated.c_str(), 0, QR_ECLEVEL_L));
  if (!code) throw Failure(with_errno("cannot make a QR code", errno));
  std::string lines;
  // Two rows of modules in each line.
  for (int row = -margin; row < code->width + margin; row += 2) {
    if (coloured) lines += dark_on_light;
    for (int column = -margin; column < code->width + margin; ++column) {
      const bool upper = is_dark(*code, row, column);
      const bool lower = is_dark(*code, row + 1, column);
      lines += upper ? (lower ? "█" : "▀") : (lower ? "▄" : " ");
    }
    if (coloured) lines += usual_colours;
    lines += '\n';
  }
  return lines;
}

}  // namespace qanat::cli

#else

namespace qanat::cli {

Result<void> qr_codes() {
  return error("this qanat was built without libqrencode (package libqrencode-dev)");
}
std::string qr_code(std::string_view /*text*/, bool /*coloured*/) {
  throw Failure(qr_codes().error().message);
}

}  // namespace qanat::cli

#endif
