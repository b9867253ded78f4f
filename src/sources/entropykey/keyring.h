// The keyring of Simtec's ekeyd: a line for each EntropyKey, its serial number and its long-term
// key, both in base64; other lines, such as those that begin with '#', are comments.
#pragma once

#include <string>

#include "base/error.h"
#include "wire/entropykey.h"

namespace qanat::sources {

inline constexpr const char* usual_keyring = "/etc/entropykey/keyring";

// The device's long-term key; the last line of it counts. Empty when there is none; an Error when
// the file cannot be read.
Result<SecretBytes> find_long_term_key(const std::string& keyring,
                                       const wire::entropykey::SerialNumber& serial);

// One line of it, ready to be written.
SecretBytes keyring_line(const wire::entropykey::SerialNumber& serial, Bytes long_term_key);

// Sets the device's line and leaves the others as they are. Replaces the file in one step. It
// keeps its owner, and what its group may do; nobody else may read it. One that is not there is
// made (0600).
Result<void> put_long_term_key(const std::string& keyring,
                               const wire::entropykey::SerialNumber& serial, Bytes long_term_key);
// Whether that can be done, before a key is changed.
Result<void> can_put_long_term_key(const std::string& keyring);

}  // namespace qanat::sources
