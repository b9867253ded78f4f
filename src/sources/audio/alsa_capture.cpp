#include "sources/audio/alsa_capture.h"

// Without ALSA this file is empty, and audio.cpp says so.
#ifdef QANAT_ALSA

#include <fmt/core.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <utility>
#include <vector>

#include "base/library.h"

// Its own extern "C" ends before snd_lib_error_set_local (1.2.8).
extern "C" {
#include <alsa/asoundlib.h>
}

namespace qanat::sources {

using namespace std::chrono_literals;

namespace {

struct Alsa : Libraries {
  const Library asound = load("asound", 2);
  QANAT_FUNCTION(asound, snd_lib_error_set_local);
  QANAT_FUNCTION(asound, snd_pcm_close);
  QANAT_FUNCTION(asound, snd_pcm_hw_params);
  QANAT_FUNCTION(asound, snd_pcm_hw_params_any);
  QANAT_FUNCTION(asound, snd_pcm_hw_params_free);
  QANAT_FUNCTION(asound, snd_pcm_hw_params_get_buffer_size);
  QANAT_FUNCTION(asound, snd_pcm_hw_params_malloc);
  QANAT_FUNCTION(asound, snd_pcm_hw_params_set_access);
  QANAT_FUNCTION(asound, snd_pcm_hw_params_set_buffer_time_near);
  QANAT_FUNCTION(asound, snd_pcm_hw_params_set_channels_near);
  QANAT_FUNCTION(asound, snd_pcm_hw_params_set_format);
  QANAT_FUNCTION(asound, snd_pcm_hw_params_set_rate_near);
  QANAT_FUNCTION(asound, snd_pcm_hw_params_set_rate_resample);
  QANAT_FUNCTION(asound, snd_pcm_info);
  QANAT_FUNCTION(asound, snd_pcm_info_free);
  QANAT_FUNCTION(asound, snd_pcm_info_get_card);
  QANAT_FUNCTION(asound, snd_pcm_info_get_device);
  QANAT_FUNCTION(asound, snd_pcm_info_malloc);
  QANAT_FUNCTION(asound, snd_pcm_open);
  QANAT_FUNCTION(asound, snd_pcm_poll_descriptors);
  QANAT_FUNCTION(asound, snd_pcm_poll_descriptors_count);
  QANAT_FUNCTION(asound, snd_pcm_poll_descriptors_revents);
  QANAT_FUNCTION(asound, snd_pcm_prepare);
  QANAT_FUNCTION(asound, snd_pcm_readi);
  QANAT_FUNCTION(asound, snd_pcm_resume);
  QANAT_FUNCTION(asound, snd_pcm_start);
  QANAT_FUNCTION(asound, snd_strerror);
};
const Alsa& alsa() {
  static const Alsa loaded;
  return loaded;
}

// Documentation/admin-guide/devices.txt; a minor number that no card has.
constexpr unsigned alsa_major = 116;
constexpr unsigned most_minor = 0xFFFFF;

// Most hardware has it; 44,100 is taken where it has not.
constexpr unsigned usual_rate = 48000;
// What hardware keeps for us: more than the longest that a busy machine lets us wait, and soon old.
constexpr unsigned buffer_microseconds = 500'000;
// Read at once: some 20 ms.
constexpr std::size_t most_frames = 1024;
// A PCM that records gives something each period, of a fraction of a second.
constexpr Duration patience = 5s;
// Gaps in a row, without a single frame in between, before it is given up.
constexpr int most_gaps = 10;

// What ALSA's library would print on standard error, by itself and on any thread: here the first
// message, which is the cause, becomes part of the error.
class AlsaMessages {
 public:
  AlsaMessages() : before_(alsa().snd_lib_error_set_local(note)) { first.clear(); }
  ~AlsaMessages() { alsa().snd_lib_error_set_local(before_); }
  AlsaMessages(const AlsaMessages&) = delete;
  AlsaMessages& operator=(const AlsaMessages&) = delete;

  // "", or " (cannot find card '0')".
  static std::string text() { return first.empty() ? "" : " (" + first + ")"; }

 private:
  static void note(const char* /*file*/, int /*line*/, const char* /*function*/, int /*code*/,
                   const char* format, va_list arguments) {
    if (!first.empty()) return;
    std::array<char, 256> said{};
    std::vsnprintf(said.data(), said.size(), format, arguments);
    first = said.data();
  }

  static thread_local std::string first;
  const snd_local_error_handler_t before_;
};
thread_local std::string AlsaMessages::first;

std::string advice(int code) {
  switch (code) {
    case ENOENT:
    case ENXIO:
      return "; 'arecord -L' lists those that there are";
    case EBUSY:
      return "; another program holds it ('fuser -v /dev/snd/*' says which): stop that, or name a "
             "PCM that shares, such as dsnoop or default";
    case EACCES:
    case EPERM:
      return "; its user must be in the group 'audio'";
    default:
      return "";
  }
}

tl::unexpected<Error> alsa_error(const std::string& what, int code) {
  return error(fmt::format("{}: {}{}{}", what, alsa().snd_strerror(code), AlsaMessages::text(),
                           advice(-code)));
}

struct SampleFormat {
  snd_pcm_format_t format;
  unsigned width;     // bits that count
  std::size_t place;  // bytes that it takes
};
constexpr std::array sample_formats{
    SampleFormat{SND_PCM_FORMAT_S16_LE, 16, 2}, SampleFormat{SND_PCM_FORMAT_S32_LE, 32, 4},
    SampleFormat{SND_PCM_FORMAT_S24_LE, 24, 4}, SampleFormat{SND_PCM_FORMAT_S24_3LE, 24, 3}};

}  // namespace

void AlsaCapture::Close::operator()(snd_pcm_t* pcm) const {
  const AlsaMessages messages;
  alsa().snd_pcm_close(pcm);
}

AlsaCapture::AlsaCapture(std::string name, unsigned depth, std::optional<unsigned> rate)
    : name_(std::move(name)), depth_(depth), wanted_rate_(rate) {}

AlsaCapture::~AlsaCapture() = default;

Result<void> AlsaCapture::library() { return alsa().there(); }

Result<void> AlsaCapture::open() {
  const AlsaMessages messages;
  snd_pcm_t* pcm = nullptr;
  const int code =
      alsa().snd_pcm_open(&pcm, name_.c_str(), SND_PCM_STREAM_CAPTURE, SND_PCM_NONBLOCK);
  if (code < 0) return alsa_error("cannot open the ALSA PCM " + name_, code);
  pcm_.reset(pcm);
  auto done = set_up();
  if (done) done = start();
  if (!done) close();
  return done;
}

void AlsaCapture::close() {
  pcm_.reset();
  wipe(raw_.view());
  wipe(samples_.view());
}

Result<void> AlsaCapture::set_up() {
  snd_pcm_t* const pcm = pcm_.get();
  snd_pcm_hw_params_t* made = nullptr;
  if (alsa().snd_pcm_hw_params_malloc(&made) < 0) return error("no memory for " + name_);
  const std::unique_ptr<snd_pcm_hw_params_t, decltype(&::snd_pcm_hw_params_free)> owned(
      made, alsa().snd_pcm_hw_params_free);
  snd_pcm_hw_params_t* const params = made;
  const auto cannot = [this](const std::string& what, int code) {
    return alsa_error(name_ + " cannot record " + what, code);
  };
  if (const int code = alsa().snd_pcm_hw_params_any(pcm, params); code < 0) {
    return cannot("anything", code);
  }
  // Interpolated samples say less than there are of them.
  alsa().snd_pcm_hw_params_set_rate_resample(pcm, params, 0);
  if (const int code =
          alsa().snd_pcm_hw_params_set_access(pcm, params, SND_PCM_ACCESS_RW_INTERLEAVED);
      code < 0) {
    return cannot("interleaved frames", code);
  }
  const auto* const format =
      std::find_if(sample_formats.begin(), sample_formats.end(), [&](const SampleFormat& each) {
        return each.width >= depth_ &&
               alsa().snd_pcm_hw_params_set_format(pcm, params, each.format) == 0;
      });
  if (format == sample_formats.end()) return cannot(fmt::format("{} bits", depth_), -EINVAL);
  unsigned channels = 1;
  if (const int code = alsa().snd_pcm_hw_params_set_channels_near(pcm, params, &channels);
      code < 0) {
    return cannot("one channel", code);
  }
  rate_ = wanted_rate_.value_or(usual_rate);
  if (const int code = alsa().snd_pcm_hw_params_set_rate_near(pcm, params, &rate_, nullptr);
      code < 0) {
    return cannot(fmt::format("{} samples a second", rate_), code);
  }
  if (wanted_rate_ && rate_ != *wanted_rate_) {
    return error(fmt::format("{} cannot record {} samples a second; rate={} is what it has", name_,
                             *wanted_rate_, rate_));
  }
  // As near as it has it.
  unsigned buffer = buffer_microseconds;
  alsa().snd_pcm_hw_params_set_buffer_time_near(pcm, params, &buffer, nullptr);
  if (const int code = alsa().snd_pcm_hw_params(pcm, params); code < 0) {
    return cannot("like that", code);
  }
  snd_pcm_uframes_t held = 0;
  alsa().snd_pcm_hw_params_get_buffer_size(params, &held);
  width_ = format->width;
  place_ = format->place;
  frame_ = place_ * channels;
  const std::size_t frames = std::clamp<std::size_t>(held, 1, most_frames);
  raw_ = SecretBytes(frames * frame_);
  samples_ = SecretBytes(frames * sizeof(std::int32_t));
  return {};
}

Result<void> AlsaCapture::start() {
  gap_ = true;
  // Prepared by hw_params, and by recover. By itself it would start with the first read, before
  // which there is nothing to poll for.
  const int code = alsa().snd_pcm_start(pcm_.get());
  if (code < 0) return alsa_error("cannot start " + name_, code);
  return {};
}

Wake AlsaCapture::wait(const Waker& waker) const {
  const TimePoint end = Clock().now() + patience;
  const auto count =
      static_cast<unsigned>(std::max(alsa().snd_pcm_poll_descriptors_count(pcm_.get()), 0));
  std::vector<pollfd> polled(count + 1);
  polled.back() = {waker.fd(), POLLIN, 0};
  for (;;) {
    if (alsa().snd_pcm_poll_descriptors(pcm_.get(), polled.data(), count) !=
        static_cast<int>(count)) {
      throw Failure(name_ + ": ALSA knows no descriptors to wait for");
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock().now());
    if (left.count() <= 0) return Wake::timeout;
    const int n = ::poll(polled.data(), polled.size(), static_cast<int>(left.count()));
    if (n < 0 && errno != EINTR) throw Failure(with_errno("poll", errno));
    if (n <= 0) continue;
    if (polled.back().revents != 0) return Wake::woken;
    // A plug-in's descriptor may be a timer's: what its events mean is known to the plug-in, which
    // also winds it up again.
    unsigned short events = 0;
    if (alsa().snd_pcm_poll_descriptors_revents(pcm_.get(), polled.data(), count, &events) < 0 ||
        events != 0) {
      return Wake::ready;
    }
  }
}

Result<AlsaCapture::Piece> AlsaCapture::read(const Waker& waker) {
  const AlsaMessages messages;
  const std::size_t frames = raw_.size() / frame_;
  const TimePoint end = Clock().now() + patience;
  for (int gaps = 0;;) {
    const Wake wake = wait(waker);
    if (wake == Wake::woken) return Piece{};
    if (wake == Wake::timeout || Clock().now() >= end) {
      return error(fmt::format("{} has recorded nothing for {:.0f} s", name_, seconds(patience)));
    }
    const auto n = alsa().snd_pcm_readi(pcm_.get(), raw_.view().data(), frames);
    if (n > 0) {
      decode(static_cast<std::size_t>(n));
      return Piece{{reinterpret_cast<const std::int32_t*>(samples_.view().data()),
                    static_cast<std::size_t>(n)},
                   std::exchange(gap_, false)};
    }
    if (n == 0 || n == -EAGAIN) {
      // Its descriptor says more than it has: not at full speed.
      if (wait_for(-1, 0, waker, 10ms) == Wake::woken) return Piece{};
      continue;
    }
    if (n == -EINTR) continue;
    if (++gaps > most_gaps) {
      return alsa_error(name_ + " stops again and again", static_cast<int>(n));
    }
    if (auto again = recover(static_cast<int>(n), waker); !again) {
      return tl::unexpected(again.error());
    }
  }
}

// We were too slow (EPIPE), or the machine slept (ESTRPIPE). Not by snd_pcm_recover, which may
// sleep for seconds.
Result<void> AlsaCapture::recover(int code, const Waker& waker) {
  if (code == -ENODEV) return error(name_ + " was unplugged");
  if (code != -EPIPE && code != -ESTRPIPE) return alsa_error("cannot read " + name_, code);
  if (code == -ESTRPIPE && alsa().snd_pcm_resume(pcm_.get()) == -EAGAIN) {
    wait_for(-1, 0, waker, 100ms);
    return {};
  }
  if (const int prepared = alsa().snd_pcm_prepare(pcm_.get()); prepared < 0) {
    return alsa_error("cannot go on with " + name_, prepared);
  }
  return start();
}

void AlsaCapture::decode(std::size_t frames) {
  auto* const out = reinterpret_cast<std::int32_t*>(samples_.view().data());
  const std::uint8_t* in = raw_.view().data();
  for (std::size_t i = 0; i < frames; ++i, in += frame_) {
    std::uint32_t bits = 0;
    for (std::size_t byte = 0; byte < place_; ++byte) {
      bits |= std::uint32_t{in[byte]} << (8 * byte);
    }
    // Its sign to the top, then down to what was asked for.
    out[i] = static_cast<std::int32_t>(bits << (32 - width_)) >> (32 - depth_);
  }
  wipe(raw_.view().first(frames * frame_));
}

std::optional<Origin> AlsaCapture::origin() const {
  snd_pcm_info_t* made = nullptr;
  if (!pcm_ || alsa().snd_pcm_info_malloc(&made) < 0) return std::nullopt;
  const std::unique_ptr<snd_pcm_info_t, decltype(&::snd_pcm_info_free)> info(
      made, alsa().snd_pcm_info_free);
  const AlsaMessages messages;
  if (alsa().snd_pcm_info(pcm_.get(), info.get()) < 0) return std::nullopt;
  const int card = alsa().snd_pcm_info_get_card(info.get());
  // A sound server's: nobody tells which card is behind it, and two names of it may be one.
  if (card < 0) return Origin{S_IFCHR, makedev(alsa_major, most_minor), 0};
  return origin_of(
      fmt::format("/dev/snd/pcmC{}D{}c", card, alsa().snd_pcm_info_get_device(info.get())));
}

}  // namespace qanat::sources

#endif
