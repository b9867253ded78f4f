// What an https outlet shows its clients: a key and a certificate, renewed while it runs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/file_id.h"
#include "base/mutex.h"
#include "net/tls.h"
#include "outlets/http/settings.h"
#include "outlets/services.h"

namespace qanat::outlets {

// Any thread, but for `load`.
class ServerIdentity {
 public:
  // Adds which of the files cannot be used, and why.
  static void look(const HttpSettings& settings, spec::Obstacles& found);

  // From the files of `settings`, or the node's own where it names none. Both outlive it.
  ServerIdentity(const HttpSettings& settings, const Services& services);

  // Throws Failure when the files cannot be used, and says which.
  void load();
  // Whether there are files that may change.
  bool renewable() const { return !files_.empty(); }
  // Takes the files up if they have changed. If they cannot be used, what was there stays, and that
  // is a problem and an alarm: at once when `told` (a person said that they are there), else at the
  // second look, as key and certificate are seldom replaced in one step.
  void look(bool told);

  // As server. What is begun goes on with what it began with.
  crypto::SslPtr new_session() const;
  // Adds the certificate's end, the key exchanges, and what is wrong.
  void report(observe::OutletReport& out) const;

 private:
  using Stamps = std::vector<std::optional<FileStamp>>;

  Stamps stamps() const;
  crypto::SslCtxPtr make();

  const HttpSettings& settings_;
  const Services& services_;
  std::vector<std::string> files_;
  mutable net::KeyExchanges exchanges_;

  Mutex look_mutex_;                             // one looks at a time
  Stamps looked_ GUARDED_BY(look_mutex_);        // as the files were when they were last read
  bool failed_ GUARDED_BY(look_mutex_) = false;  // and could not be used

  mutable Mutex mutex_;
  crypto::SslCtxPtr context_ GUARDED_BY(mutex_);
  std::int64_t until_ GUARDED_BY(mutex_) = 0;
  std::string problem_ GUARDED_BY(mutex_);
};

}  // namespace qanat::outlets
