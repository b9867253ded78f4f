// The node's cookie keys, in one place: sessions over HTTPS and every thread that answers datagrams
// have them from here, and the file is a copy. docs/trickle.md, Cookies.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "base/error.h"
#include "outlets/cookie_keys.h"
#include "outlets/spent_questions.h"

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
  using Tell = std::function<void(const std::string& text, bool alarm)>;
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
  wire::trickle::Cookie seal(wire::trickle::Ticket& ticket) const;
  SpentQuestions& spent() { return spent_; }

  // What an operator should know; empty while all is well.
  std::string problem() const;

 private:
  void turn_locked(std::uint64_t unix_seconds);
  void publish_locked(CookieKeys keys);
  void store(Bytes text);

  const File file_;
  const Tell tell_;
  SpentQuestions spent_;
  std::atomic<std::uint64_t> version_{0};
  std::atomic<std::uint64_t> hour_{0};  // of the clock, at the last turn

  mutable std::mutex mutex_;  // guards, for moments:
  std::optional<CookieKeys> keys_;
  Mark mark_{};
  CookieKeys::Turn told_ = CookieKeys::Turn::present;
  std::string clock_problem_;
  std::string file_problem_;

  std::mutex file_mutex_;  // guards, while a disk works:
  SecretBytes in_file_;    // what we read or wrote last
};

}  // namespace qanat::outlets
