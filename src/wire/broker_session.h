// What two peers of Entropy Broker's protocol share once the challenge is known: the proof of the
// password, and the sealing of payloads. docs/protocols/broker.md says how weak it is.
#pragma once

#include "crypto/legacy.h"
#include "wire/broker.h"

namespace qanat::wire::broker {

// Which algorithms a broker works with; made once, used for many sessions. The names are checked.
struct Suite {
  std::string hash = "sha512";
  std::string mac = "sha512";
  // Its own programs, as Debian builds them, die of a buffer overflow with a cipher whose block has
  // 16 bytes; and 3des takes three times as long.
  std::string cipher = "blowfish";
};

// hash(challenge + " " + password).
std::vector<std::uint8_t> prove(const std::string& hash, std::string_view challenge,
                                std::string_view password);

// The payloads of one connection, both directions. Not thread-safe. Throws Failure when OpenSSL
// cannot do what the hello names.
class Session {
 public:
  // `hello`: as it was sent. Throws Failure too for unknown names, and for a password that the
  // cipher does not take.
  Session(const Hello& hello, std::string_view password);

  std::size_t digest_bytes() const { return mac_.output_bytes(); }
  // The bytes that a payload of `bytes` takes on the wire.
  std::size_t sealed_bytes(std::size_t bytes) const { return digest_bytes() + bytes; }
  // `frame` is digest_bytes() of room and then the data; in place.
  void seal(MutableBytes frame);
  // The last `seal` is undone: what it made must not be sent.
  void unseal_last() { out_.copy_state(before_); }
  // The data within `frame`, in place; an empty span when its hash is another.
  MutableBytes open(MutableBytes frame);

 private:
  crypto::NamedHash mac_;
  crypto::CfbStream out_;
  crypto::CfbStream before_;  // out_, before the last seal
  crypto::CfbStream in_;
};

}  // namespace qanat::wire::broker
