// One conversation with an EntropyKey, from a reset to the next: which frames may be believed, and
// what they hold. No I/O: bytes of the line come in, commands for the line go out.
// docs/protocols/entropykey.md
#pragma once

#include "wire/entropykey.h"

namespace qanat::wire::entropykey {

enum class What {
  serial,             // it was reset, by us or by itself: serial(), version(); there is no session
  keyed,              // a new session has begun
  wants_key,          // its sequence numbers are used up, or it has no session yet
  entropy,            // 32 bytes: Session::entropy()
  information,        // Event::information
  bad_generators,     // re-keying is refused: they have gone bad
  unlocked,           // a long-term re-key may follow
  long_term_keyed,    // Session::long_term_key() is its new one
  long_term_refused,  // the master key is another
  unknown_input,      // it did not understand what it was sent
  wrong,              // a MAC that does not fit, or contents that make no sense
  replayed,           // a frame of entropy of this session that was there before
};

struct Event {
  What what;
  Information information = {};
};

// Not thread-safe.
class Session {
 public:
  Session();

  // To be sent: forgets all, and drops what comes until the device says who it is.
  std::string_view reset();
  // To be sent; answered by `keyed` or `bad_generators`. After a `serial`.
  std::string rekey(Bytes long_term_key, Bytes nonce);
  // To be sent: the first is answered by `unlocked`, the second, with the same nonce, by
  // `long_term_keyed` or `long_term_refused`. After a `serial`.
  std::string unlock(Bytes master_key, Bytes nonce) const;
  std::string set_long_term_key(Bytes master_key, Bytes nonce);

  void feed(Bytes in) { frames_.feed(in); }
  // What the next frame was; nullopt: more bytes are needed.
  std::optional<Event> next();

  const SerialNumber& serial() const { return serial_; }
  std::uint16_t version() const { return version_; }
  // Of the last `entropy` and `long_term_keyed`.
  Bytes entropy() const { return entropy_.view(); }
  Bytes long_term_key() const { return new_key_.view(); }
  // Since it was made: sequence numbers that were left out, and bytes that were no frame's.
  std::uint64_t skipped() const { return skipped_; }
  std::uint64_t garbage() const { return frames_.garbage(); }

 private:
  void forget_session();
  std::optional<Event> take(const Frame& frame);
  std::optional<Event> take_serial(const Frame& frame);
  Event take_entropy(const Frame& frame);
  // The device's half of a new key: `into` is made of it and of what was asked.
  bool derive(const Frame& frame, Purpose purpose, SecretBytes& into);
  void expect_key(Bytes key, Bytes nonce);

  FrameReader frames_;
  bool silent_ = true;  // until a serial number
  SerialNumber serial_{};
  std::uint16_t version_ = 0;
  SecretBytes session_key_;  // zeros before a session
  SecretBytes entropy_;
  SecretBytes new_key_;
  bool keyed_ = false;
  int last_number_ = -1;
  std::uint64_t skipped_ = 0;
  // Of the re-key that was asked for; `asked_` is 'K', 'L' or 0.
  char asked_ = 0;
  SecretBytes asked_key_;
  std::string asked_nonce_;
};

}  // namespace qanat::wire::entropykey
