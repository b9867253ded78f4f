// An EntropyKey on its line: what is sent, and the next thing that it says.
#pragma once

#include "base/waker.h"
#include "sources/entropykey/exclusive_line.h"
#include "wire/entropykey_session.h"

namespace qanat::sources {

// Not thread-safe.
class EntropyKeyLink {
 public:
  explicit EntropyKeyLink(std::string path) : path_(std::move(path)) {}

  Result<void> open();
  void close() { line_.close(); }
  const ExclusiveLine& line() const { return line_; }
  const std::string& path() const { return path_; }
  wire::entropykey::Session& session() { return session_; }
  const wire::entropykey::Session& session() const { return session_; }

  // All of it, before `by`. An Error when the line is lost, or takes nothing; interrupted() as soon
  // as `waker` is woken.
  Result<void> send(std::string_view command, const Waker& waker, TimePoint by);
  // The next thing that it says; nullopt when that has not come before `by`. Errors as above.
  Result<std::optional<wire::entropykey::Event>> next(const Waker& waker, TimePoint by);

 private:
  std::string path_;
  ExclusiveLine line_;
  wire::entropykey::Session session_;
};

// A nonce of ours; never the same twice.
std::array<std::uint8_t, wire::entropykey::nonce_bytes> fresh_nonce();

// The longest that a device takes to answer. To a reset it answers at once, to a re-key when it has
// gathered 256 bits (3 ms of its noise).
inline constexpr Duration entropykey_patience = std::chrono::seconds(5);
// A reset is sent again after this time: one that comes in a packet with bytes that the device does
// not know, such as an echo from before the line was raw, is thrown away with them.
inline constexpr Duration entropykey_reset_interval = std::chrono::seconds(1);

}  // namespace qanat::sources
