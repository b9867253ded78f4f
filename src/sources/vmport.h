// Seeds of the host's, in a guest: a virtio-serial port or a vsock. docs/protocols/vmport.md.
#pragma once

#include <atomic>

#include "base/backoff.h"
#include "base/files.h"
#include "base/timing_noise.h"
#include "base/waker.h"
#include "entropy/relay.h"
#include "sources/runner/relay_state.h"
#include "sources/runner/running_source.h"
#include "sources/runner/source_thread.h"
#include "spec/address.h"
#include "wire/vmport.h"

namespace qanat::sources {

struct VmportSettings {
  std::string name;  // as configured
  // A port's device, or a UNIX socket; empty: `vsock`. Where udev has made no
  // /dev/virtio-ports/NAME, the port of that name is found by what the kernel says.
  std::string path;
  spec::VsockAddress vsock;
  bool credit = true;
};

// Blocked in a read until the host says something. A seed that comes unasked tells that this
// machine may be a copy: it goes to SourceServices::on_fresh_seed, on this thread, before anything
// else happens. Otherwise it asks when bytes are wanted.
class Vmport final : public RunningSource {
 public:
  Vmport(VmportSettings settings, const SourceServices& services);
  ~Vmport() override;

  void start() override;
  void wake() override { waker_.wake(); }
  void request_stop() override;
  bool join(Duration limit) override { return thread_.join(limit); }
  void renew() override;
  observe::SourceReport report() const override;

 private:
  void run();
  Result<void> open();
  void converse();
  enum class Heard { all, more, nobody, lost };
  Heard hear();
  void take(const wire::vmport::HostFrame& frame);
  void take_fresh(const wire::vmport::HostFrame& frame);
  void take_answer(const wire::vmport::HostFrame& frame);
  void credit(const wire::vmport::HostFrame& frame, entropy::Epoch epoch);
  bool came_before(Bytes seed);
  bool wants() const;
  bool ask();
  void pause(Duration duration);

  const VmportSettings settings_;
  const SourceServices services_;
  const entropy::SourceId account_;
  const Waker waker_;
  std::atomic<bool> renew_{false};
  UniqueFd link_;
  UniqueFd watch_;  // an epoll of it: tells of what is new, where poll would tell for ever
  wire::vmport::FrameReader reader_;
  Backoff backoff_;
  Backoff refused_;  // between two questions
  bool is_port_ = false;
  bool heard_ = false;  // a frame, on this link
  std::uint32_t question_ = 0;
  bool asked_ = false;  // and no answer yet
  entropy::Epoch asked_in_ = 0;
  TimePoint next_question_{};
  entropy::ReplayCheck replay_;
  entropy::Relay relay_;
  TimingNoise noise_;
  SecretBytes seed_;

  RelayState state_;
  std::atomic<std::uint64_t> skipped_{0};  // bytes that were in no frame

  SourceThread thread_;
};

}  // namespace qanat::sources
