// The node's cookie keys, in one place: sessions over HTTPS and every thread that answers datagrams
// have them from here, and the file is a copy. docs/trickle.md, Cookies.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/event_kind.h"
#include "base/mutex.h"
#include "outlets/trickle/cookie_keys.h"
#include "outlets/trickle/spent_questions.h"

namespace qanat::outlets {

// Thread-safe. Times are Unix seconds, as the machine's clock has them.
class CookieKeeper {
 public:
  // Where the copy is kept. Called by one thread at a time.
  struct File {
    std::string name;                           // for people
    std::function<Result<SecretBytes>()> read;  // empty when there is none
    std::function<Result<void>(Bytes)> write;
  };
  using Tell = std::function<void(const std::string& text, EventKind kind)>;
  // The first bytes of the nonce of every cookie that this run has sealed.
  using Mark = std::array<std::uint8_t, 8>;
  struct Copy {
    std::uint64_t version = 0;
    CookieKeys keys;
    Mark mark;
  };

  CookieKeeper(File file, Tell tell);

  // With the first outlet that needs them: from the file, or made. Later it only keeps the copy.
  // Throws Failure when the file is there and is none.
  void begin(std::uint64_t unix_seconds);
  // With the hour, new keys. Costs a division while there is nothing to do: for every batch.
  void turn(std::uint64_t unix_seconds);
  // Writes the file when it is not what it should be: every few minutes.
  void keep(std::uint64_t unix_seconds);
  // The operator's word (SIGHUP): another hub's key that lies in the file now is taken up.
  void reload(std::uint64_t unix_seconds);
  // This machine may be a copy of another: cookies of before are nobody's own any more.
  void renew();

  // Changes with the keys or the mark. 0 before `begin`.
  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }
  Copy copy() const;
  // A cookie under the present key. Its session begins now. Precondition: version() > 0.
  wire::trickle::Cookie seal(wire::trickle::CookieContent& content) const;
  SpentQuestions& spent() { return spent_; }

  // What an operator should know; empty while all is well.
  std::string problem() const;

 private:
  // What there is to tell, each an alarm or not: told once no mutex is held.
  using Notices = std::vector<std::pair<std::string, EventKind>>;

  void turn_keys(std::uint64_t unix_seconds, Notices& notices) REQUIRES(mutex_);
  void publish(CookieKeys keys) REQUIRES(mutex_);
  std::string write_file() EXCLUDES(file_mutex_, mutex_);
  bool read_file(std::uint64_t unix_seconds, Notices& notices) EXCLUDES(file_mutex_, mutex_);
  void tell(const Notices& notices) const EXCLUDES(file_mutex_, mutex_);

  const File file_;
  const Tell tell_;
  SpentQuestions spent_;
  std::atomic<std::uint64_t> version_{0};
  std::atomic<std::uint64_t> hour_{0};  // of the clock, at the last turn

  mutable Mutex mutex_;
  std::optional<CookieKeys> keys_ GUARDED_BY(mutex_);
  Mark mark_ GUARDED_BY(mutex_){};
  CookieKeys::Turn told_ GUARDED_BY(mutex_) = CookieKeys::Turn::present;
  std::string clock_problem_ GUARDED_BY(mutex_);
  std::string file_problem_ GUARDED_BY(mutex_);

  Mutex file_mutex_;                             // held while a disk works
  SecretBytes in_file_ GUARDED_BY(file_mutex_);  // what we read or wrote last
};

}  // namespace qanat::outlets
