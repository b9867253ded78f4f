// What a noise source is to the rest of the program.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/secret.h"
#include "base/waker.h"
#include "sources/runner/origins.h"

namespace qanat::sources {

// Of peers on the network: thousands may look for the same one.
inline constexpr Duration peer_absence = std::chrono::seconds(60);
// The longest that a peer may take for a window of 512 samples: a stopped process, a machine that
// has gone without a word, or one that drips a byte now and then, looks like a slow one for ever.
inline constexpr Duration peer_patience = std::chrono::seconds(60);

// A device, a command, an instruction: something that can be opened and gives samples of one byte.
// Used by one thread, its runner's. To add one: a file pair like jitter.h, and a line in
// registry.cpp (CONTRIBUTING.md).
class Source {
 public:
  virtual ~Source() = default;

  // An Error when it is absent: the runner tries again later. Returns at once, with an Error, when
  // `stop` is woken, which outlives this source. A `fault` when it is there and cannot be believed:
  // the source has failed, and is tried again as one whose health tests fail.
  virtual Result<void> open(const Waker& stop) = 0;
  // Blocks until there are samples and writes 1 to out.size() of them; their number. An Error when
  // the source is lost (end of file, unplugged), a `fault` when what it gives is no noise (muted,
  // frozen, forged). Returns 0 as soon as `waker` is woken.
  virtual Result<std::size_t> read(MutableBytes out, const Waker& waker) = 0;
  // Bytes are wanted, and a whole window of them by then: a peer that has not given it is lost, by
  // an Error of `read`. Devices and commands take the time that they take.
  virtual void expect(TimePoint /*by*/) {}
  virtual void close() {}
  // Throws away what lies in buffers that both copies of this machine have: those of a pipe, a
  // line, a socket. False: that takes to close it and to open it again, as it mostly does.
  virtual bool renew() { return false; }
  // Of an open one: what it reads from, where that can be told.
  virtual std::optional<Origin> origin() const { return std::nullopt; }
  // Why what it gives is nobody's new entropy, where that can be seen; empty: nothing was seen.
  // Asked at the opening and now and then while it is read, before what was read is counted.
  virtual std::string lookalike() {
    const auto at = origin();
    return at ? worthless(*at) : std::string();
  }
  // A descriptor whose hang-up tells that an idle source is lost; -1 when there is none.
  virtual int descriptor() const { return -1; }
  // True: it is closed while nobody wants bytes. Of what would send all the time, or hold a device
  // that others want: a camera.
  virtual bool closed_at_rest() const { return false; }
  // What the hardware tells of itself, by names with their units ("temperature_kelvin"); for the
  // status document and the metrics. Called from any thread.
  virtual std::map<std::string, double> readings() const { return {}; }
  // When it is absent it is looked for soon and then less and less often, down to this. Of a
  // device: soon enough for a person who plugs it in again.
  virtual Duration longest_absence() const { return std::chrono::seconds(2); }
};

}  // namespace qanat::sources
