// One ALSA PCM that records: opening, reading, gaps. What the samples are worth is audio_noise.h's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/error.h"
#include "base/secret.h"
#include "base/waker.h"
#include "sources/runner/origins.h"

// Of <alsa/asoundlib.h>, whose macros nobody else needs.
using snd_pcm_t = struct _snd_pcm;  // NOLINT(bugprone-reserved-identifier)

namespace qanat::sources {

// The first channel of a PCM. Used by one thread. Errors say what an operator can do about them.
class AlsaCapture {
 public:
  // Loads ALSA's library, at the first call; an Error where it is missing: then nothing else may be
  // called.
  static Result<void> library();

  // `name`: as ALSA knows it. `depth`: bits of a sample, 16 or 24. `rate`: samples a second;
  // without one what the hardware has nearest to 48,000.
  AlsaCapture(std::string name, unsigned depth, std::optional<unsigned> rate);
  ~AlsaCapture();

  // Begins to record. Without blocking, as far as the PCM's plug-ins let us.
  Result<void> open();
  void close();

  struct Piece {
    std::span<const std::int32_t> samples;  // until the next call; empty: the waker was woken
    bool after_gap = false;                 // something before them is missing
  };
  // Blocks until something has been recorded.
  Result<Piece> read(const Waker& waker);

  // Of an open one.
  unsigned rate() const { return rate_; }
  // The hardware's device node; none of a PCM that has none.
  std::optional<Origin> origin() const;

 private:
  struct Close {
    void operator()(snd_pcm_t* pcm) const;
  };
  Result<void> set_up();
  Result<void> start();
  Result<void> recover(int code, const Waker& waker);
  Wake wait(const Waker& waker) const;
  void decode(std::size_t frames);

  const std::string name_;
  const unsigned depth_;
  const std::optional<unsigned> wanted_rate_;
  std::unique_ptr<snd_pcm_t, Close> pcm_;
  unsigned rate_ = 0;
  unsigned width_ = 0;     // bits of a recorded sample that count: 16, 24, 32
  std::size_t place_ = 0;  // bytes that it takes
  std::size_t frame_ = 0;  // bytes of all channels
  SecretBytes raw_;        // frames
  SecretBytes samples_;    // of 32 bits
  bool gap_ = false;       // before what is read next
};

}  // namespace qanat::sources
