#include "sources/video/stream.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <mutex>

#include "base/files.h"
#include "base/powers.h"
#include "net/connect.h"

#ifdef QANAT_FFMPEG
#include "sources/video/libav.h"
#endif

namespace qanat::sources::video {

#ifdef QANAT_FFMPEG
namespace {

using namespace std::chrono_literals;

// Until the first picture: connecting, and the next key picture of a coded stream.
constexpr Duration opening_patience = 10s;
constexpr Duration picture_patience = 5s;
// FFmpeg cannot go on where it was stopped. So whoever waits for a picture and is woken lets the
// camera finish it: most wakes only say that bytes are wanted. A stop waits so long at the most.
constexpr Duration grace = 500ms;
constexpr int poll_ms = 50;

// What cameras send and people keep: nothing that names other files or hosts, as playlists do.
constexpr const char* formats =
    "mpjpeg,mjpeg,jpeg_pipe,yuv4mpegpipe,h264,hevc,m4v,mpegts,rtsp,flv,matroska,mov,avi";
constexpr const char* decoders = "mjpeg,h264,hevc,mpeg4,mpeg2video,rawvideo";
constexpr std::array codecs{AV_CODEC_ID_MJPEG, AV_CODEC_ID_H264,       AV_CODEC_ID_HEVC,
                            AV_CODEC_ID_MPEG4, AV_CODEC_ID_MPEG2VIDEO, AV_CODEC_ID_RAWVIDEO};
// Of one allocation of FFmpeg's: a picture of 4096x4096 with its colours takes 48 MiB. A server may
// announce any size, and send it.
constexpr std::size_t most_memory = std::size_t{64} << 20;
// One after the other: a server that sends garbage as fast as it can would keep a processor busy.
constexpr int most_undecodable = 100;

thread_local std::string last_line;  // of FFmpeg's log

void keep_last_line(void* /*whose*/, int level, const char* format, std::va_list values) {
  if (level > AV_LOG_ERROR) return;
  std::array<char, 512> line{};
  if (std::vsnprintf(line.data(), line.size(), format, values) > 0) last_line = line.data();
}

void set_up_library() {
  static std::once_flag once;
  std::call_once(once, [] {
    libav().av_log_set_callback(keep_last_line);
    libav().av_max_alloc(most_memory);
  });
}

// How long a call into FFmpeg may take.
struct Limit {
  const Waker* waker = nullptr;
  Duration patience{};
  TimePoint deadline;
  std::optional<TimePoint> woken_at;
  bool woken = false;
  bool late = false;

  void begin(const Waker& by, Duration most) {
    *this = Limit();
    waker = &by;
    patience = most;
    deadline = Clock().now() + most;
  }
  bool woken_now() const {
    pollfd polled{waker->fd(), POLLIN, 0};
    return ::poll(&polled, 1, 0) > 0;
  }
  bool over(Duration grace_left) {
    const TimePoint now = Clock().now();
    if (now >= deadline) late = true;
    if (!woken_at && woken_now()) woken_at = now;
    if (woken_at && now - *woken_at >= grace_left) woken = true;
    return late || woken;
  }
};

std::string words(int problem) {
  std::array<char, AV_ERROR_MAX_STRING_SIZE> text{};
  libav().av_strerror(problem, text.data(), text.size());
  return text.data();
}

// The plane of brightness, where there is one of bytes.
std::optional<Picture> brightness_of(const AVFrame& frame) {
  const AVPixFmtDescriptor* const kind =
      libav().av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame.format));
  constexpr std::uint64_t other = AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL |
                                  AV_PIX_FMT_FLAG_BITSTREAM | AV_PIX_FMT_FLAG_HWACCEL |
                                  AV_PIX_FMT_FLAG_BAYER;
  if (kind == nullptr || (kind->flags & other) != 0 || kind->nb_components == 0) {
    return std::nullopt;
  }
  const AVComponentDescriptor& luma = kind->comp[0];
  if (luma.depth != 8 || luma.shift != 0 || frame.data[luma.plane] == nullptr) return std::nullopt;
  return Picture{.first = frame.data[luma.plane] + luma.offset,
                 .width = static_cast<std::size_t>(frame.width),
                 .height = static_cast<std::size_t>(frame.height),
                 .row = frame.linesize[luma.plane],
                 .step = luma.step};
}

class Stream final : public Camera {
 public:
  Stream(StreamUrl url, std::string ca) : url_(std::move(url)), ca_(std::move(ca)) {}
  explicit Stream(const std::string& path)
      : url_{.text = {}, .shown = path, .scheme = {}, .address = {}}, path_(path) {}
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() override { close_all(); }

  Result<void> open(const Waker& stop) override {
    grace_ = Duration::zero();
    return begin(stop);
  }

  Result<std::optional<Picture>> next(const Waker& waker) override {
    grace_ = grace;
    if (broken_) {
      auto again = begin(waker);
      if (!again && again.error().interrupted) return std::nullopt;
      if (!again) return tl::unexpected(again.error());
    }
    limit_.begin(waker, std::exchange(first_, false) ? opening_patience : picture_patience);
    if (limit_.woken_now()) return std::nullopt;
    for (int undecodable = 0; undecodable < most_undecodable;) {
      const int got =
          decoder_ ? libav().avcodec_receive_frame(decoder_.get(), frame_.get()) : AVERROR(EAGAIN);
      if (got >= 0) {
        const bool damaged =
            frame_->decode_error_flags != 0 || (frame_->flags & AV_FRAME_FLAG_CORRUPT) != 0;
        if (!damaged) return picture();
        ++undecodable;
        continue;
      }
      if (got != AVERROR(EAGAIN)) ++undecodable;
      if (auto there = await_file(waker); !there) {
        if (there.error().interrupted) return std::nullopt;
        return tl::unexpected(there.error());
      }
      auto fed = feed(undecodable);
      if (!fed && fed.error().interrupted) return std::nullopt;
      if (!fed) return tl::unexpected(fed.error());
    }
    return lost("sends nothing that can be decoded", 0);
  }

  void close() override { close_all(); }
  std::optional<Origin> origin() const override { return origin_; }
  bool kept_open() const override { return !path_.empty(); }

 private:
  void close_all() {
    decoder_.reset();
    format_.reset();
    reader_.reset();
    fd_.reset();
    broken_ = false;
  }

  Result<void> begin(const Waker& waker) {
    if (const auto& there = libav().there(); !there) return there;
    set_up_library();
    close_all();
    last_line.clear();
    limit_.begin(waker, opening_patience);
    first_ = true;
    packet_.reset(libav().av_packet_alloc());
    frame_.reset(libav().av_frame_alloc());
    AVFormatContext* format = libav().avformat_alloc_context();
    if (format == nullptr || packet_ == nullptr || frame_ == nullptr) {
      libav().avformat_free_context(format);
      return error("no memory for the stream of " + url_.shown);
    }
    format->interrupt_callback = {[](void* self) {
                                    auto& stream = *static_cast<Stream*>(self);
                                    return stream.limit_.over(stream.grace_) ? 1 : 0;
                                  },
                                  this};
    format->flags |= AVFMT_FLAG_NOBUFFER | AVFMT_FLAG_DISCARD_CORRUPT;
    if (auto ready = path_.empty() ? find_host(waker) : open_file(*format); !ready) {
      libav().avformat_free_context(format);
      return ready;
    }
    LibavOptions options;
    set_options(options);
    // It frees `format` when it fails.
    const int problem =
        libav().avformat_open_input(&format, url_.text.c_str(), nullptr, options.list());
    if (problem < 0) {
      auto why = lost("cannot be opened", problem);
      close_all();
      return why;
    }
    format_.reset(format);
    return {};
  }

  // FFmpeg's own look-up obeys nobody. Once ours has found the name, that one finds it soon.
  Result<void> find_host(const Waker& waker) {
    return net::look_up(url_.address, waker, opening_patience);
  }

  // A path is opened by us: to FFmpeg it may be the name of a protocol, or a pattern; and a FIFO
  // would wait for whoever writes.
  Result<void> open_file(AVFormatContext& format) {
    fd_ = UniqueFd(qanat::open_file(path_, O_RDONLY | O_NONBLOCK));
    struct stat info {};
    if (!fd_ || ::fstat(fd_.get(), &info) != 0) {
      return error(with_errno("cannot open " + path_, errno));
    }
    if (!S_ISREG(info.st_mode) && !S_ISFIFO(info.st_mode)) {
      return error(path_ + " is neither a camera, a file nor a FIFO");
    }
    origin_ = origin_of(info);
    constexpr int buffer_bytes = 64 << 10;
    auto* const buffer = static_cast<unsigned char*>(libav().av_malloc(buffer_bytes));
    if (buffer == nullptr) return error("no memory to read " + path_);
    reader_.reset(libav().avio_alloc_context(
        buffer, buffer_bytes, 0, this,
        [](void* self, std::uint8_t* out, int size) {
          return static_cast<Stream*>(self)->read_file(out, size);
        },
        nullptr, nullptr));
    if (reader_ == nullptr) {
      libav().av_free(buffer);
      return error("no memory to read " + path_);
    }
    format.pb = reader_.get();
    return {};
  }

  // Of a FIFO whose writer takes his time: here a wake costs nothing, as no packet has begun.
  Result<void> await_file(const Waker& waker) const {
    if (!fd_ || reader_->buf_ptr != reader_->buf_end) return {};
    const Duration left = std::max(limit_.deadline - Clock().now(), Duration::zero());
    switch (wait_for(fd_.get(), POLLIN, waker, left)) {
      case Wake::woken:
        return interrupted();
      case Wake::timeout:
        return error(url_.shown + " gives no picture: nobody writes into it");
      case Wake::ready:
        return {};
    }
    return {};
  }

  int read_file(std::uint8_t* out, int size) {
    for (;;) {
      pollfd polled{fd_.get(), POLLIN, 0};
      if (::poll(&polled, 1, poll_ms) > 0) {
        const ssize_t n = ::read(fd_.get(), out, static_cast<std::size_t>(size));
        if (n > 0) return static_cast<int>(n);
        if (n == 0) return AVERROR_EOF;
        if (errno != EINTR && errno != EAGAIN) return AVERROR(errno);
      }
      if (limit_.over(grace_)) return AVERROR_EXIT;
    }
  }

  void set_options(LibavOptions& options) const {
    options.set("protocol_whitelist", path_.empty() ? url_.protocols() : "none");
    options.set("format_whitelist", formats);
    options.set("codec_whitelist", decoders);
    options.set("max_streams", "16");
    options.set("formatprobesize", "65536");
    // Of JPEGs one after another: in pieces. Without it FFmpeg wants to know how long all of them
    // are, which of a FIFO, or of a camera, nobody does.
    options.set("frame_size", "4096");
    options.set("probesize", "1000000");
    if (url_.scheme.starts_with("http")) {
      // Where a camera sends us is not where the operator did.
      options.set("max_redirects", "0");
      options.set("seekable", "0");
      options.set("icy", "0");
      // Nor by whom the environment says: it would see the password, and could be the camera.
      options.set("http_proxy", "");
      options.set("user_agent", "qanat");
      options.set("tls_verify", "1");
      if (!ca_.empty()) options.set("ca_file", ca_);
    }
    if (url_.scheme.starts_with("rtsp")) {
      options.set("rtsp_transport", "tcp");
      options.set("allowed_media_types", "video");
    }
    // No thread of its own.
    if (url_.scheme == "udp") options.set("fifo_size", "0");
  }

  // One packet of the first video into the decoder. Interrupted when the waker was woken.
  Result<void> feed(int& undecodable) {
    last_line.clear();
    const int read = libav().av_read_frame(format_.get(), packet_.get());
    if (read < 0) {
      // The library may be in the middle of something.
      broken_ = true;
      if (limit_.woken) return interrupted();
      if (read == AVERROR_EOF) return error("the stream of " + url_.shown + " has ended");
      return lost("is lost", read);
    }
    const std::unique_ptr<AVPacket, decltype(&::av_packet_unref)> whole(packet_.get(),
                                                                        libav().av_packet_unref);
    if (limit_.over(grace_)) {
      if (limit_.woken) return interrupted();
      return lost("", 0);
    }
    const AVStream& stream = *format_->streams[packet_->stream_index];
    if (stream.codecpar->codec_type != AVMEDIA_TYPE_VIDEO) return {};
    if (!decoder_) {
      if (auto ready = open_decoder(stream); !ready) return ready;
    }
    if (packet_->stream_index != video_) return {};
    const int sent = libav().avcodec_send_packet(decoder_.get(), packet_.get());
    if (sent < 0 && sent != AVERROR(EAGAIN)) ++undecodable;
    return {};
  }

  Result<void> open_decoder(const AVStream& stream) {
    const AVCodecParameters& coded = *stream.codecpar;
    if (std::find(codecs.begin(), codecs.end(), coded.codec_id) == codecs.end()) {
      return error(
          fmt::format("the stream of {} is coded as {}: MJPEG, H.264, H.265, MPEG-4, "
                      "MPEG-2 and raw pictures are read",
                      url_.shown, libav().avcodec_get_name(coded.codec_id)));
    }
    if (coded.width > 0 || coded.height > 0) {
      if (auto fits = check_size(url_.shown, coded.width, coded.height); !fits) return fits;
    }
    const AVCodec* const codec = libav().avcodec_find_decoder(coded.codec_id);
    if (codec == nullptr) {
      return error(fmt::format("this FFmpeg has no decoder for {}",
                               libav().avcodec_get_name(coded.codec_id)));
    }
    decoder_.reset(libav().avcodec_alloc_context3(codec));
    if (!decoder_ || libav().avcodec_parameters_to_context(decoder_.get(), &coded) < 0) {
      return lost("cannot be decoded", AVERROR(ENOMEM));
    }
    decoder_->thread_count = 1;
    decoder_->max_pixels = static_cast<std::int64_t>(most_width * most_height);
    decoder_->flags |= AV_CODEC_FLAG_LOW_DELAY;
    if (const int problem = libav().avcodec_open2(decoder_.get(), codec, nullptr); problem < 0) {
      decoder_.reset();
      return lost("cannot be decoded", problem);
    }
    video_ = packet_->stream_index;
    return {};
  }

  Result<std::optional<Picture>> picture() const {
    if (auto fits = check_size(url_.shown, frame_->width, frame_->height); !fits) {
      return tl::unexpected(fits.error());
    }
    auto found = brightness_of(*frame_);
    if (found) return found;
    const char* const name =
        libav().av_get_pix_fmt_name(static_cast<AVPixelFormat>(frame_->format));
    return error(
        fmt::format("the pictures of {} are of kind {}, without a plane of brightness of 8 "
                    "bits",
                    url_.shown, name == nullptr ? "unknown" : name));
  }

  // `problem`: FFmpeg's number for it, or 0.
  tl::unexpected<Error> lost(std::string_view what, int problem) const {
    if (limit_.woken) return interrupted();
    if (limit_.late) {
      return error(fmt::format("{} gives no picture: nothing whole came within {:.0f} s",
                               url_.shown, seconds(limit_.patience)));
    }
    std::string why = fmt::format("the stream of {} {}", url_.shown, what);
    // Where FFmpeg's words are for those who wrote it.
    const auto says = [](std::string_view part) {
      return last_line.find(part) != std::string::npos;
    };
    if (says("not on whitelist")) return error(why + ": it is a playlist, or no camera's stream");
    if (says("ends prematurely")) return error(why + ": the other end closed the connection");
    if (problem == AVERROR(EIO) && last_line.empty() && format_ == nullptr) {
      return error(why + ": the server sends something else, or to somewhere else");
    }
    if (problem != 0) why += ": " + words(problem);
    const std::string detail = cleaned_message(url_, last_line);
    if (!detail.empty()) why += " (" + detail + ")";
    return error(why);
  }

  const StreamUrl url_;  // of a file: `shown` alone
  const std::string ca_;
  const std::string path_;
  Duration grace_{};
  Limit limit_;
  bool first_ = true;
  bool broken_ = false;  // must be opened again
  UniqueFd fd_;
  std::optional<Origin> origin_;
  int video_ = 0;
  std::unique_ptr<AVIOContext, FreeReader> reader_;
  std::unique_ptr<AVFormatContext, FreeFormat> format_;
  std::unique_ptr<AVCodecContext, FreeDecoder> decoder_;
  std::unique_ptr<AVPacket, FreePacket> packet_;
  std::unique_ptr<AVFrame, FreeFrame> frame_;
};

}  // namespace

Result<void> ffmpeg() { return libav().there(); }

std::unique_ptr<Camera> make_stream(const StreamUrl& url, const std::string& ca) {
  return std::make_unique<Stream>(url, ca);
}

std::unique_ptr<Camera> make_file_stream(const std::string& path) {
  return std::make_unique<Stream>(path);
}

#else

Result<void> ffmpeg() {
  return error("this qanat was built without FFmpeg (packages libavformat-dev, libavcodec-dev)");
}
std::unique_ptr<Camera> make_stream(const StreamUrl& /*url*/, const std::string& /*ca*/) {
  return nullptr;
}
std::unique_ptr<Camera> make_file_stream(const std::string& /*path*/) { return nullptr; }

#endif

}  // namespace qanat::sources::video
