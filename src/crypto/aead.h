// XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha), from libsodium. Random nonces: 192 bits are enough
// that no count of messages in sight repeats one.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/secret.h"

namespace qanat::crypto {

constexpr std::size_t aead_key_bytes = 32;

// nonce (24 bytes) | ciphertext | tag (16 bytes). `key` holds aead_key_bytes.
std::vector<std::uint8_t> seal(Bytes key, Bytes plaintext, Bytes associated);
// nullopt when it was not sealed under this key and associated data, or is too short.
std::optional<SecretBytes> open(Bytes key, Bytes sealed, Bytes associated);

// The same with the caller's nonce, in the caller's memory, for packets. `nonce` holds
// aead_nonce_bytes, and comes once under a key. `out` is longer by aead_tag_bytes than `plaintext`,
// and may begin where that does.
constexpr std::size_t aead_nonce_bytes = 24;
constexpr std::size_t aead_tag_bytes = 16;
void seal_to(Bytes key, Bytes nonce, Bytes plaintext, Bytes associated, MutableBytes out);
// False, and `out` zeros, when it was not sealed so. sealed.size() == out.size() + aead_tag_bytes.
bool open_to(Bytes key, Bytes nonce, Bytes sealed, Bytes associated, MutableBytes out);

// From the operating system (libsodium's randombytes, getrandom): keys, nonces, ids.
void random_bytes(MutableBytes out);
// For generators that need no secrecy: back-off, jitter of schedules.
std::uint64_t random_seed();

}  // namespace qanat::crypto
