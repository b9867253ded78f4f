// A seed that this machine was created with, from `qanat seed --for-guest`: taken once.
#pragma once

#include <mutex>

#include "base/waker.h"
#include "sources/running_source.h"
#include "sources/source_thread.h"

namespace qanat::sources {

// From 32 to 512 bytes in a file that nobody else may read: QEMU's fw_cfg, a credential, a file in
// the image. A machine that boots again finds the same bytes there: so that they are used is
// remembered in the state directory, and on the disk, before they count; those that were used
// before, or of which it cannot be remembered, are mixed in and count nothing.
class BootSeed final : public RunningSource {
 public:
  // `insist`: the operator says that they count where nothing can be remembered.
  BootSeed(std::string name, std::string path, bool credit, bool insist,
           const SourceServices& services);
  ~BootSeed() override;

  static constexpr std::size_t least_bytes = 32;
  static constexpr std::size_t most_bytes = 512;

  void start() override;
  void wake() override {}
  void request_stop() override;
  bool join(Duration limit) override { return thread_.join(limit); }
  // There is no more of it than what there was.
  void retest() override {}
  SourceReport report() const override;

 private:
  void run();
  void take(Bytes seed);
  Result<bool> remember(Bytes seed) const;
  void set_state(const char* state, const std::string& detail, bool hopeless);

  const std::string name_;
  const std::string path_;
  const bool credit_;
  const bool insist_;
  const SourceServices services_;
  const entropy::SourceId account_;
  Waker waker_;

  mutable std::mutex report_mutex_;
  std::string state_ = "start-up";
  std::string detail_;
  bool hopeless_ = false;
  std::uint64_t bytes_ = 0;

  SourceThread thread_;
};

}  // namespace qanat::sources
