// Server keys, self-signed certificates and pins.
#pragma once

#include <openssl/types.h>

#include <array>
#include <string>

#include "base/error.h"
#include "base/secret.h"

namespace qanat::crypto {

// SHA-256 of the DER SubjectPublicKeyInfo, as RFC 7469 section 2.4 pins a key: it survives a new
// certificate for the same key.
using Pin = std::array<std::uint8_t, 32>;

struct KeyAndCertificate {
  SecretBytes key_pem;
  std::string certificate_pem;
};

// A fresh P-256 key and a self-signed certificate for `name`, valid for twenty years: clients pin
// the key, so expiry protects nobody and would only stop them. Throws Failure.
KeyAndCertificate make_self_signed(const std::string& name);

// A certificate for a key that is there already: clients pin the key, so this one is as good as any
// before it. An Error when the text holds no private key.
Result<std::string> self_signed_for(Bytes key_pem, const std::string& name);
// Of the public half of a private key. An Error when the text holds none.
Result<Pin> pin_of_key(Bytes key_pem);

Pin pin_of(const X509* certificate);
// Of the first certificate in a PEM text.
Result<Pin> pin_of_certificate(std::string_view certificate_pem);

}  // namespace qanat::crypto
