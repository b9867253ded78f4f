// Ownership of OpenSSL objects, and its error queue as text. For .cpp files only.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

#include "base/error.h"

namespace qanat::crypto {

template <auto Free>
struct FreeWith {
  template <typename T>
  void operator()(T* p) const noexcept {
    Free(p);
  }
};

using BioPtr = std::unique_ptr<BIO, FreeWith<BIO_free>>;
using PkeyPtr = std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>>;
using X509Ptr = std::unique_ptr<X509, FreeWith<X509_free>>;
using SslCtxPtr = std::unique_ptr<SSL_CTX, FreeWith<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, FreeWith<SSL_free>>;

// Empties the thread's error queue; the first entry's text, or "unknown error".
std::string openssl_error();

// Makes OpenSSL's own generators, those behind its keys and TLS, take fresh bytes of the kernel's
// before their next output, on every thread: this process may be a copy. Throws Failure.
void reseed_openssl();

// For calls that fail only when memory or the provider does: throws Failure.
inline void require(bool ok, const char* what) {
  if (!ok) throw Failure(std::string(what) + ": " + openssl_error());
}

}  // namespace qanat::crypto
