// Keyed BLAKE2b (RFC 7693), from libsodium: for small packets, where HMAC with a fresh key costs
// more than all the rest (docs/trickle.md).
#pragma once

#include <initializer_list>

#include "base/bytes.h"

namespace qanat::crypto {

// Of the concatenation of `parts`. out.size() from 16 to 64; `key` empty, or from 16 to 64 bytes.
void blake2b(Bytes key, std::initializer_list<Bytes> parts, MutableBytes out);

}  // namespace qanat::crypto
