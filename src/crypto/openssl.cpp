#include "crypto/openssl.h"

#include <openssl/rand.h>

namespace qanat::crypto {

std::string openssl_error() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "unknown error";
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : "OpenSSL error " + std::to_string(code);
}

// The threads' generators look at the primary one's count of seeds before each output
// (providers/implementations/rands/drbg.c).
void reseed_openssl() { require(RAND_poll() == 1, "cannot reseed OpenSSL"); }

}  // namespace qanat::crypto
