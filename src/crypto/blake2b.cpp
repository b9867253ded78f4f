#include "crypto/blake2b.h"

#include <sodium.h>

namespace qanat::crypto {

void blake2b(Bytes key, std::initializer_list<Bytes> parts, MutableBytes out) {
  crypto_generichash_state state;
  crypto_generichash_init(&state, key.data(), key.size(), out.size());
  for (const Bytes part : parts) crypto_generichash_update(&state, part.data(), part.size());
  crypto_generichash_final(&state, out.data(), out.size());
  // The state holds the key.
  sodium_memzero(&state, sizeof state);
}

}  // namespace qanat::crypto
