// The generator of a PKCS#11 token: a smart card, an HSM, by the module of its maker.
#pragma once

#include <memory>
#include <string>

#include "base/secret.h"
#include "sources/token/library_source.h"

namespace qanat::sources {

// Which token, and how. A PIN that was refused is kept, so that it is never sent a second time: a
// token locks itself after a few wrong ones. Used by one thread, after it is made.
struct Pkcs11Token {
  std::string uri;          // RFC 7512, without its query; "pkcs11:" is any token
  std::string module_path;  // of the module to load; empty: those that p11-kit knows
  std::string module_name;  // of those, this one; empty: all
  std::string pin_file;     // read at each login; empty: none
  SecretBytes pin;          // where there is no file; empty: no login
  SecretBytes refused;
};

// Whether p11-kit was built in, and is on this machine, which loads it; an Error says why not: then
// nothing of what follows may be called.
Result<void> p11_kit_there();

// Throws Failure for what is no URI of a token.
void check_pkcs11_uri(const std::string& uri);
// What a file of a PIN holds, without line ends after it; an Error for one that others can read.
Result<SecretBytes> read_pin_file(const std::string& path);
// A sample is a byte of C_GenerateRandom. Nothing of the token is touched before it is opened.
std::unique_ptr<LibrarySession> make_pkcs11_session(std::shared_ptr<Pkcs11Token> token);

}  // namespace qanat::sources
