// A source behind a library whose calls block: a TPM, a PKCS#11 token.
#pragma once

#include <functional>
#include <memory>

#include "sources/source.h"
#include "sources/token/library_thread.h"

namespace qanat::sources {

// One connection, made, used and destroyed by one thread. Its calls may block, also for ever.
class LibrarySession {
 public:
  virtual ~LibrarySession() = default;
  // Both report as those of a Source do.
  virtual Result<void> open() = 0;
  // 1 to out.size() samples.
  virtual Result<std::size_t> read(MutableBytes out) = 0;
};

// Calls a session on a thread of its own: one that hangs is lost after `Settings::patience`, holds
// up no stop and no reload, and is looked for again once its call has ended.
class LibrarySource final : public Source {
 public:
  struct Settings {
    std::string who;         // "the TPM"
    std::size_t piece;       // bytes a call; so many that one ends in well under a second
    Duration open_patience;  // for a connection
    Duration patience;       // for a piece
    bool closed_at_rest;     // others want it, too
    std::string path = {};   // of the device that it is; empty: none that can be told
  };
  using Make = std::function<std::unique_ptr<LibrarySession>()>;
  LibrarySource(Make make, Settings settings)
      : make_(std::move(make)), settings_(std::move(settings)) {}
  ~LibrarySource() override { close(); }

  Result<void> open(const Waker& stop) override;
  Result<std::size_t> read(MutableBytes out, const Waker& waker) override;
  void close() override;
  std::optional<Origin> origin() const override;
  bool closed_at_rest() const override { return settings_.closed_at_rest; }

 private:
  struct Work;
  tl::unexpected<Error> silent(Duration patience) const;

  const Make make_;
  const Settings settings_;
  LibraryThread thread_;
  std::shared_ptr<Work> work_;  // while it is open; the library's thread has it while busy
  bool asked_ = false;          // for a piece, which has not been fetched
  TimePoint deadline_;          // of that
};

}  // namespace qanat::sources
