// Simtec's EntropyKey, by its own protocol (docs/protocols/entropykey.md): a sample is a byte of
// its entropy, deciphered and nothing else.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/mutex.h"
#include "sources/entropykey/link.h"
#include "sources/source.h"

namespace qanat::sources {

class EntropyKey final : public Source {
 public:
  EntropyKey(const std::string& path, std::string keyring);

  // Resets the device, takes its long-term key from the keyring (read each time: a key that was set
  // counts at once), and begins a session.
  Result<void> open(const Waker& stop) override;
  Result<std::size_t> read(MutableBytes out, const Waker& waker) override;
  void close() override;
  int descriptor() const override { return link_.line().fd(); }
  std::optional<Origin> origin() const override { return link_.line().origin(); }
  std::map<std::string, double> readings() const override EXCLUDES(mutex_);

 private:
  using Event = wire::entropykey::Event;

  Result<void> restart(const Waker& waker);
  Result<void> send_reset(const Waker& waker);
  Result<void> rekey(const Waker& waker);
  // The next event and what follows from it; true: it was entropy.
  Result<bool> step(const Waker& waker);
  Result<void> handle(const Event& event, const Waker& waker);
  Result<void> greet(const Waker& waker);
  Result<void> take(const wire::entropykey::Information& information) EXCLUDES(mutex_);
  Result<void> mistrust(const Waker& waker);
  std::string how_to_set_key() const;
  tl::unexpected<Error> too_late() const;
  void count(const char* reading, double by = 1) EXCLUDES(mutex_);
  std::string device_name() const;

  const std::string keyring_;
  EntropyKeyLink link_;
  SecretBytes long_term_key_;

  enum class Waiting { for_serial, for_key, for_reason, for_entropy };
  Waiting waiting_ = Waiting::for_serial;
  TimePoint by_{};           // the end of that wait
  TimePoint in_all_by_{};    // of the opening, or of the wait for entropy
  TimePoint reset_again_{};  // while it waits for a serial number
  bool woken_ = false;       // in the middle of that wait
  bool confirmed_ = false;   // something of this session was signed with its key
  // Good frames of entropy in this session; sessions in a row that ended in doubt, and those of
  // them in which no frame was signed right.
  unsigned good_ = 0;
  unsigned doubts_ = 0;
  unsigned strange_ = 0;

  SecretBytes entropy_;  // what is left of the last frame is at its end
  std::size_t left_ = 0;

  mutable Mutex mutex_;
  std::map<std::string, double> measured_ GUARDED_BY(mutex_);  // by the device, since it was opened
  std::map<std::string, double> counted_ GUARDED_BY(mutex_);   // by us, since the start
};

}  // namespace qanat::sources
