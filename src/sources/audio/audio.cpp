// Noise of a sound card's input: the low byte of each sample.
#include <fmt/core.h>

#include <fstream>
#include <memory>

#include "base/mutex.h"
#include "base/quantity.h"
#include "sources/audio/alsa_capture.h"
#include "sources/audio/audio_noise.h"
#include "sources/type.h"
#include "spec/options.h"

namespace qanat::sources {
namespace {

#ifdef QANAT_ALSA

class Audio final : public Source {
 public:
  Audio(const std::string& pcm, unsigned depth, std::optional<unsigned> rate, double h)
      : capture_(pcm, depth, rate), noise_(pcm, h, depth) {}

  Result<void> open(const Waker& /*stop*/) override { return capture_.open(); }

  Result<std::size_t> read(MutableBytes out, const Waker& waker) override {
    for (;;) {
      if (const std::size_t n = noise_.take(out); n > 0) return n;
      if (recorded_.empty()) {
        const auto piece = capture_.read(waker);
        if (!piece) return tl::unexpected(piece.error());
        if (piece->samples.empty()) return std::size_t{0};
        if (piece->after_gap) noise_.begin(capture_.rate());
        recorded_ = piece->samples;
      }
      const auto used = noise_.add(recorded_);
      recorded_ = used ? recorded_.subspan(*used) : std::span<const std::int32_t>();
      note_readings();
      if (!used) return tl::unexpected(used.error());
    }
  }

  void close() override {
    recorded_ = {};
    capture_.close();
    noise_.begin(0);
  }
  std::optional<Origin> origin() const override { return capture_.origin(); }
  // A microphone is open while it must be, and no longer; and others may want the card.
  bool closed_at_rest() const override { return true; }

  std::map<std::string, double> readings() const override {
    const MutexLock lock(mutex_);
    return readings_;
  }

 private:
  void note_readings() {
    const AudioJudgement& last = noise_.last();
    const MutexLock lock(mutex_);
    readings_ = {{"rate_hertz", capture_.rate()},
                 {"level_steps", last.level},
                 {"noise_steps", last.noise},
                 {"noise_bits", last.bits}};
  }

  AlsaCapture capture_;
  AudioNoise noise_;
  std::span<const std::int32_t> recorded_;  // capture_'s, not added yet
  mutable Mutex mutex_;
  std::map<std::string, double> readings_ GUARDED_BY(mutex_);
};

// Each line is one device: "00-00: ALC295 Analog : ALC295 Analog : playback 1 : capture 1".
Availability audio_available() {
  const char* const path = "/proc/asound/pcm";
  std::ifstream list(path);
  if (!list) return {false, with_errno(path, errno) + ": no sound card"};
  for (std::string line; std::getline(list, line);) {
    if (line.find(": capture ") == std::string::npos) continue;
    const auto card = parse_number<unsigned>(line.substr(0, 2));
    const auto device = parse_number<unsigned>(line.substr(3, 2));
    if (!card || !device) continue;
    const std::string name =
        line.substr(0, line.find(" : ")).substr(std::min<std::size_t>(line.size(), 7));
    if (const auto there = AlsaCapture::library(); !there) return {false, there.error().message};
    return {true, fmt::format("hw:{},{} is {}", *card, *device, name)};
  }
  return {false, "no sound card here records (/proc/asound/pcm)"};
}

SourcePlan read_audio(const spec::Spec& spec, entropy::Claim usual) {
  spec::require(spec, AlsaCapture::library());
  const std::string pcm = spec.target.empty() ? "default" : spec.target;
  const std::string bits = spec.option("bits").value_or("16");
  if (bits != "16" && bits != "24") {
    throw Failure(fmt::format("{}: bits={} is neither 16 nor 24", spec.text, bits));
  }
  const unsigned depth = bits == "16" ? 16 : 24;
  std::optional<unsigned> rate;
  if (const auto text = spec.option("rate")) {
    rate = parse_number<unsigned>(*text);
    if (!rate || *rate < 8000 || *rate > 768'000) {
      throw Failure(fmt::format(
          "{}: rate={} is not a number of samples a second from 8000 to 768000", spec.text, *text));
    }
  }
  const entropy::Claim claim = spec::claim_of(spec, usual);
  return {.name = spec.text,
          .claim = claim,
          .foreign_library = true,
          .make = [pcm, depth, rate, h = claim.h] {
            return std::make_unique<Audio>(pcm, depth, rate, h);
          }};
}

#else

constexpr const char* without_alsa = "this qanat was built without ALSA (package libasound2-dev)";

Availability audio_available() { return {false, without_alsa}; }

SourcePlan read_audio(const spec::Spec& spec, entropy::Claim /*usual*/) {
  throw Failure(fmt::format("{}: {}", spec.text, without_alsa));
}

#endif

}  // namespace

// Noise of half a step of the converter has 0.55 bits a sample that nothing predicts, of one step
// 1.38 (docs/sources.md); each block is held to what is claimed.
extern const SourceType audio_type{
    .name = "audio",
    .target = "[ALSA]",
    .usual = {0.5, true},
    .options = "bits rate",
    .summary = "noise of a sound card's input",
    .read = read_audio,
    .available = audio_available,
};

}  // namespace qanat::sources
