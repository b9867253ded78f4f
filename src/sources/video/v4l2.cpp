#include "sources/video/v4l2.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/videodev2.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/powers.h"
#include "base/shown.h"

namespace qanat::sources::video {

using namespace std::chrono_literals;

int DeviceCalls::open(const std::string& path) { return open_file(path, O_RDWR | O_NONBLOCK); }
int DeviceCalls::ioctl(int fd, unsigned long request, void* argument) {
  return ::ioctl(fd, request, argument);
}
void* DeviceCalls::map(std::size_t size, int fd, std::int64_t offset) {
  return ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, offset);
}
void DeviceCalls::unmap(void* memory, std::size_t size) { ::munmap(memory, size); }
void DeviceCalls::close(int fd) { ::close(fd); }

namespace {

// USB cameras take up to 2 s for the first picture.
constexpr Duration patience = 5s;
constexpr unsigned wanted_buffers = 4;
constexpr std::uint32_t usual_width = 640;
constexpr std::uint32_t usual_height = 480;
// Pictures that the driver says are damaged, in a row.
constexpr int most_damaged = 100;

// Formats with a byte of brightness for each pixel, and how far apart these are. What the sensor
// saw comes first: the fewer steps between it and us, the more noise is left. (A Bayer pattern has
// a colour in each byte; a pixel is compared with itself.)
struct Format {
  std::uint32_t code;
  std::ptrdiff_t step;
  std::ptrdiff_t offset;
};
constexpr std::array formats{
    Format{V4L2_PIX_FMT_GREY, 1, 0},    Format{V4L2_PIX_FMT_SRGGB8, 1, 0},
    Format{V4L2_PIX_FMT_SGRBG8, 1, 0},  Format{V4L2_PIX_FMT_SGBRG8, 1, 0},
    Format{V4L2_PIX_FMT_SBGGR8, 1, 0},  Format{V4L2_PIX_FMT_YUYV, 2, 0},
    Format{V4L2_PIX_FMT_YVYU, 2, 0},    Format{V4L2_PIX_FMT_UYVY, 2, 1},
    Format{V4L2_PIX_FMT_VYUY, 2, 1},    Format{V4L2_PIX_FMT_NV12, 1, 0},
    Format{V4L2_PIX_FMT_NV21, 1, 0},    Format{V4L2_PIX_FMT_NV16, 1, 0},
    Format{V4L2_PIX_FMT_YUV420, 1, 0},  Format{V4L2_PIX_FMT_YVU420, 1, 0},
    Format{V4L2_PIX_FMT_YUV422P, 1, 0},
};

const Format* find_format(std::uint32_t code) {
  const auto* const found = std::find_if(
      formats.begin(), formats.end(), [code](const Format& known) { return known.code == code; });
  return found == formats.end() ? nullptr : found;
}

std::string code_text(std::uint32_t code) {
  std::string text;
  for (int shift = 0; shift < 32; shift += 8) text += static_cast<char>(code >> shift & 0x7f);
  return shown(text);
}

// A driver's answer may hold a signal up.
int ask(DeviceCalls& calls, int fd, unsigned long request, void* argument) {
  int done = 0;
  do {
    done = calls.ioctl(fd, request, argument);
  } while (done != 0 && errno == EINTR);
  return done;
}

// What this node of the device can do; others of it may do other things.
std::uint32_t abilities(const v4l2_capability& told) {
  return (told.capabilities & V4L2_CAP_DEVICE_CAPS) != 0 ? told.device_caps : told.capabilities;
}

class V4l2Camera final : public Camera {
 public:
  V4l2Camera(std::string path, std::unique_ptr<DeviceCalls> calls)
      : path_(std::move(path)), calls_(std::move(calls)) {}
  V4l2Camera(const V4l2Camera&) = delete;
  V4l2Camera& operator=(const V4l2Camera&) = delete;
  ~V4l2Camera() override { close(); }

  Result<void> open(const Waker& /*stop*/) override {
    auto ready = begin();
    if (!ready) close();
    return ready;
  }

  Result<std::optional<Picture>> next(const Waker& waker) override {
    if (auto back = give_back(); !back) return tl::unexpected(back.error());
    const TimePoint deadline = Clock().now() + patience;
    for (int damaged = 0; damaged < most_damaged;) {
      const Duration left = std::max(deadline - Clock().now(), Duration::zero());
      switch (wait_for(fd_, POLLIN, waker, left)) {
        case Wake::woken:
          return std::nullopt;
        case Wake::timeout:
          return error(fmt::format("{} gives no picture: none came within {:.0f} s", path_,
                                   seconds(patience)));
        case Wake::ready:
          break;
      }
      v4l2_buffer buffer = empty_buffer();
      if (ask(*calls_, fd_, VIDIOC_DQBUF, &buffer) != 0) {
        // EIO: this picture is lost, the next may come.
        if (errno == EAGAIN || errno == EIO) {
          ++damaged;
          continue;
        }
        return lost("cannot give a picture");
      }
      if (buffer.index >= mapped_.size()) return error(path_ + " gives buffers that it never had");
      held_ = buffer.index;
      const bool whole = (buffer.flags & V4L2_BUF_FLAG_ERROR) == 0 && buffer.bytesused >= needed_;
      if (whole) {
        Picture picture = picture_;
        picture.first = static_cast<const std::uint8_t*>(mapped_[buffer.index].memory) + offset_;
        return picture;
      }
      ++damaged;
      if (auto back = give_back(); !back) return tl::unexpected(back.error());
    }
    return error(path_ + " gives damaged pictures alone: is its cable or its hub overloaded?");
  }

  void close() override {
    if (fd_ < 0) return;
    auto type = static_cast<int>(V4L2_BUF_TYPE_VIDEO_CAPTURE);
    ask(*calls_, fd_, VIDIOC_STREAMOFF, &type);
    for (const Mapped& one : mapped_) calls_->unmap(one.memory, one.size);
    mapped_.clear();
    held_.reset();
    calls_->close(std::exchange(fd_, -1));
  }

  std::optional<Origin> origin() const override { return origin_of(path_); }

 private:
  struct Mapped {
    void* memory;
    std::size_t size;
  };

  static v4l2_buffer empty_buffer() {
    v4l2_buffer buffer{};
    buffer.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    buffer.memory = V4L2_MEMORY_MMAP;
    return buffer;
  }

  tl::unexpected<Error> lost(std::string_view what) const {
    switch (errno) {
      case EBUSY:
        return error(path_ + " is in use by another program");
      case ENODEV:
      case ENXIO:
        return error(path_ + " is unplugged");
      case EACCES:
      case EPERM:
        return error(path_ + " may not be opened by this user: who may is usually the group video");
      default:
        return error(with_errno(fmt::format("{} {}", path_, what), errno));
    }
  }

  Result<void> begin() {
    fd_ = calls_->open(path_);
    if (fd_ < 0) {
      if (errno == ENOENT) return error(with_errno("cannot open " + path_, errno));
      return lost("cannot be opened");
    }
    v4l2_capability can{};
    if (ask(*calls_, fd_, VIDIOC_QUERYCAP, &can) != 0) {
      return error(path_ + " is not a device of Video4Linux");
    }
    if ((abilities(can) & V4L2_CAP_VIDEO_CAPTURE) == 0) {
      return error((abilities(can) & V4L2_CAP_VIDEO_CAPTURE_MPLANE) != 0
                       ? path_ + " gives pictures in several planes alone, which are not read here"
                       : path_ +
                             " gives no pictures: a camera often has two devices, try the "
                             "other one");
    }
    if ((abilities(can) & V4L2_CAP_STREAMING) == 0) {
      return error(path_ + " has no memory-mapped buffers, which are needed here");
    }
    if (auto chosen = choose_format(); !chosen) return chosen;
    return map_buffers();
  }

  Result<void> choose_format() {
    const Format* best = nullptr;
    std::string offered;
    v4l2_fmtdesc described{};
    described.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    // A driver that never ends its list.
    constexpr unsigned most_formats = 256;
    for (; described.index < most_formats && ask(*calls_, fd_, VIDIOC_ENUM_FMT, &described) == 0;
         ++described.index) {
      const Format* const known = find_format(described.pixelformat);
      if (known != nullptr && (best == nullptr || known < best)) best = known;
      if (offered.size() < most_shown) offered += ' ' + code_text(described.pixelformat);
    }
    if (best == nullptr) {
      return error(
          fmt::format("{} gives{}: of these none is read here, but YUYV, GREY, NV12 and "
                      "their like; through FFmpeg another program can convert them",
                      path_, offered.empty() ? " no format" : offered));
    }
    v4l2_format format{};
    format.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    format.fmt.pix.width = usual_width;
    format.fmt.pix.height = usual_height;
    format.fmt.pix.pixelformat = best->code;
    format.fmt.pix.field = V4L2_FIELD_ANY;
    if (ask(*calls_, fd_, VIDIOC_S_FMT, &format) != 0) return lost("cannot set its format");
    // It may choose another size, and does where it has no 640x480.
    const v4l2_pix_format& set = format.fmt.pix;
    const Format* const got = find_format(set.pixelformat);
    if (got == nullptr) {
      return error(fmt::format("{} gives {}, where it offered {}", path_,
                               code_text(set.pixelformat), code_text(best->code)));
    }
    if (auto fits = check_size(path_, set.width, set.height); !fits) return fits;
    const auto least_row = static_cast<std::uint32_t>(got->step) * set.width;
    const std::uint32_t row = std::max(set.bytesperline, least_row);
    picture_ = {.first = nullptr,
                .width = set.width,
                .height = set.height,
                .row = static_cast<std::ptrdiff_t>(row),
                .step = got->step};
    offset_ = got->offset;
    needed_ = std::size_t{row} * (set.height - 1) + least_row;
    return {};
  }

  Result<void> map_buffers() {
    v4l2_requestbuffers request{};
    request.count = wanted_buffers;
    request.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    request.memory = V4L2_MEMORY_MMAP;
    if (ask(*calls_, fd_, VIDIOC_REQBUFS, &request) != 0) return lost("has no buffers");
    if (request.count < 2) return error(path_ + " has no memory for two pictures");
    for (std::uint32_t i = 0; i < request.count; ++i) {
      v4l2_buffer buffer = empty_buffer();
      buffer.index = i;
      if (ask(*calls_, fd_, VIDIOC_QUERYBUF, &buffer) != 0) return lost("cannot show a buffer");
      if (buffer.length < needed_) {
        return error(fmt::format("{} has buffers of {} bytes for pictures of {}", path_,
                                 buffer.length, needed_));
      }
      void* const memory = calls_->map(buffer.length, fd_, buffer.m.offset);
      if (memory == MAP_FAILED) return lost("cannot share a buffer");
      mapped_.push_back({memory, buffer.length});
      if (ask(*calls_, fd_, VIDIOC_QBUF, &buffer) != 0) return lost("takes no buffer");
    }
    auto type = static_cast<int>(V4L2_BUF_TYPE_VIDEO_CAPTURE);
    if (ask(*calls_, fd_, VIDIOC_STREAMON, &type) != 0) return lost("cannot begin");
    return {};
  }

  // The buffer of the last picture, to be filled again.
  Result<void> give_back() {
    if (!held_) return {};
    v4l2_buffer buffer = empty_buffer();
    buffer.index = *std::exchange(held_, std::nullopt);
    if (ask(*calls_, fd_, VIDIOC_QBUF, &buffer) != 0) return lost("takes no buffer");
    return {};
  }

  const std::string path_;
  const std::unique_ptr<DeviceCalls> calls_;
  int fd_ = -1;
  std::vector<Mapped> mapped_;
  std::optional<std::uint32_t> held_;
  Picture picture_;            // without its first pixel
  std::ptrdiff_t offset_ = 0;  // of that in the buffer
  std::size_t needed_ = 0;     // bytes of a whole picture
};

}  // namespace

std::unique_ptr<Camera> make_v4l2(const std::string& path, std::unique_ptr<DeviceCalls> calls) {
  return std::make_unique<V4l2Camera>(path,
                                      calls ? std::move(calls) : std::make_unique<DeviceCalls>());
}

std::vector<std::string> cameras_of_this_machine() {
  std::vector<std::string> found;
  DeviceCalls calls;
  for (int i = 0; i < 64; ++i) {
    const std::string path = fmt::format("/dev/video{}", i);
    const int fd = calls.open(path);
    if (fd < 0) continue;
    v4l2_capability can{};
    constexpr std::uint32_t needed = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
    if (ask(calls, fd, VIDIOC_QUERYCAP, &can) == 0 && (abilities(can) & needed) == needed) {
      const auto* const card = reinterpret_cast<const char*>(can.card);
      found.push_back(
          fmt::format("{} ({})", path, shown({card, ::strnlen(card, sizeof can.card)})));
    }
    calls.close(fd);
  }
  return found;
}

}  // namespace qanat::sources::video
