#include "crypto/openssl.h"

#include <fmt/core.h>
#include <openssl/rand.h>

#include <system_error>

namespace qanat::crypto {

std::string openssl_error() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "unknown error";
  // A system call's errno value is wrapped in it; the text of those is the C library's.
  if (ERR_SYSTEM_ERROR(code)) return std::generic_category().message(ERR_GET_REASON(code));
  const char* const reason = ERR_reason_error_string(code);
  const char* const library = ERR_lib_error_string(code);
  if (reason != nullptr) return reason;
  return library != nullptr ? fmt::format("its {} failed", library) : "unknown error";
}

// The threads' generators look at the primary one's count of seeds before each output
// (providers/implementations/rands/drbg.c).
void reseed_openssl() { require(RAND_poll() == 1, "cannot reseed OpenSSL"); }

}  // namespace qanat::crypto
