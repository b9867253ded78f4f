// A new long-term key for an EntropyKey, made with its master key: what ekey-setkey does.
#pragma once

#include <optional>
#include <string>

#include "base/waker.h"
#include "wire/entropykey.h"

namespace qanat::sources {

struct LongTermKey {
  wire::entropykey::SerialNumber serial;
  SecretBytes key;
};

// Makes the device at `path` take a new long-term key. `serial`: it must be this one. An Error when
// another program has the device, it does not answer, or the master key is not its own.
Result<LongTermKey> set_long_term_key(const std::string& path, Bytes master_key,
                                      std::optional<wire::entropykey::SerialNumber> serial,
                                      const Waker& waker);

}  // namespace qanat::sources
