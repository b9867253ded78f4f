#include "sources/video/v4l2.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/videodev2.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <map>
#include <numeric>

#include "base/files.h"

namespace qanat::sources::video {
namespace {

using testing::HasSubstr;

// What the device is, and what was done to it; outlives the camera.
struct FakeDevice {
  std::vector<std::uint32_t> formats{V4L2_PIX_FMT_MJPEG, V4L2_PIX_FMT_YUYV};
  std::uint32_t abilities = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
  std::uint32_t width = 640;
  std::uint32_t height = 480;
  std::uint32_t row = 0;  // what the driver says; 0: nothing
  std::uint32_t short_by = 0;
  int open_error = 0;
  std::map<unsigned long, int> errors;  // of each request
  std::deque<std::uint32_t> flags;      // of the pictures that lie ready

  UniqueFd event{::eventfd(0, EFD_SEMAPHORE | EFD_NONBLOCK)};  // readable: a picture is there
  std::vector<std::vector<std::uint8_t>> buffers;
  std::deque<std::uint32_t> queued;
  std::uint32_t chosen = 0;
  int mapped = 0;
  int opened = 0;
  bool streaming = false;

  void picture(std::uint32_t with = 0) {
    flags.push_back(with);
    const std::uint64_t one = 1;
    ASSERT_EQ(::write(event.get(), &one, sizeof one), 8);
  }
};

class FakeCalls final : public DeviceCalls {
 public:
  explicit FakeCalls(FakeDevice& device) : device_(device) {}

  int open(const std::string& /*path*/) override {
    errno = device_.open_error;
    if (errno != 0) return -1;
    ++device_.opened;
    return device_.event.get();
  }
  void close(int /*fd*/) override { --device_.opened; }
  void* map(std::size_t /*size*/, int /*fd*/, std::int64_t offset) override {
    ++device_.mapped;
    return device_.buffers[static_cast<std::size_t>(offset)].data();
  }
  void unmap(void* /*memory*/, std::size_t /*size*/) override { --device_.mapped; }

  int ioctl(int /*fd*/, unsigned long request, void* argument) override {
    if (const auto found = device_.errors.find(request); found != device_.errors.end()) {
      errno = found->second;
      return -1;
    }
    switch (request) {
      case VIDIOC_QUERYCAP:
        static_cast<v4l2_capability*>(argument)->capabilities = V4L2_CAP_DEVICE_CAPS;
        static_cast<v4l2_capability*>(argument)->device_caps = device_.abilities;
        return 0;
      case VIDIOC_ENUM_FMT: {
        auto& format = *static_cast<v4l2_fmtdesc*>(argument);
        if (format.index >= device_.formats.size()) return fail(EINVAL);
        format.pixelformat = device_.formats[format.index];
        return 0;
      }
      case VIDIOC_S_FMT: {
        auto& set = static_cast<v4l2_format*>(argument)->fmt.pix;
        device_.chosen = set.pixelformat;
        set.width = device_.width;
        set.height = device_.height;
        set.bytesperline = device_.row;
        return 0;
      }
      case VIDIOC_REQBUFS: {
        auto& wanted = *static_cast<v4l2_requestbuffers*>(argument);
        wanted.count = 3;
        device_.buffers.assign(3, std::vector<std::uint8_t>(bytes()));
        return 0;
      }
      case VIDIOC_QUERYBUF: {
        auto& buffer = *static_cast<v4l2_buffer*>(argument);
        buffer.length = static_cast<std::uint32_t>(bytes());
        buffer.m.offset = buffer.index;
        return 0;
      }
      case VIDIOC_QBUF:
        device_.queued.push_back(static_cast<v4l2_buffer*>(argument)->index);
        return 0;
      case VIDIOC_STREAMON:
        device_.streaming = true;
        return 0;
      case VIDIOC_STREAMOFF:
        device_.streaming = false;
        return 0;
      case VIDIOC_DQBUF:
        return give(*static_cast<v4l2_buffer*>(argument));
      default:
        return fail(ENOTTY);
    }
  }

 private:
  static int fail(int problem) {
    errno = problem;
    return -1;
  }
  std::size_t bytes() const {
    return std::size_t{std::max(device_.row, 2 * device_.width)} * device_.height -
           device_.short_by;
  }
  int give(v4l2_buffer& buffer) {
    std::uint64_t one = 0;
    if (::read(device_.event.get(), &one, sizeof one) != 8) return fail(EAGAIN);
    if (device_.queued.empty()) return fail(EIO);
    buffer.index = device_.queued.front();
    device_.queued.pop_front();
    buffer.flags = device_.flags.front();
    device_.flags.pop_front();
    buffer.bytesused = static_cast<std::uint32_t>(bytes());
    auto& memory = device_.buffers[buffer.index];
    std::iota(memory.begin(), memory.end(), std::uint8_t{0});
    return 0;
  }

  FakeDevice& device_;
};

class V4l2 : public testing::Test {
 protected:
  std::string open() {
    camera_ = make_v4l2("/dev/fake", std::make_unique<FakeCalls>(device_));
    const auto opened = camera_->open(waker_);
    return opened ? "" : opened.error().message;
  }

  Waker waker_;
  FakeDevice device_;
  std::unique_ptr<Camera> camera_;
};

TEST_F(V4l2, PicturesComeInTheFormatThatIsNearestTheSensorAndBuffersGoBack) {
  device_.row = 1408;
  device_.formats = {V4L2_PIX_FMT_NV12, V4L2_PIX_FMT_UYVY, V4L2_PIX_FMT_MJPEG};
  ASSERT_EQ(open(), "");
  EXPECT_EQ(device_.chosen, V4L2_PIX_FMT_UYVY);
  EXPECT_TRUE(device_.streaming);
  for (int i = 0; i < 10; ++i) {
    device_.picture();
    const auto picture = camera_->next(waker_);
    ASSERT_TRUE(picture.has_value() && picture->has_value());
    EXPECT_EQ((*picture)->width, 640U);
    EXPECT_EQ((*picture)->at(3, 2), static_cast<std::uint8_t>(2 * 1408 + 3 * 2 + 1));
    EXPECT_EQ(device_.queued.size(), 2U);
  }
  camera_->close();
  EXPECT_FALSE(device_.streaming);
  EXPECT_EQ(device_.mapped, 0);
  EXPECT_EQ(device_.opened, 0);
  ASSERT_TRUE(camera_->open(waker_).has_value()) << "and again";
}

TEST_F(V4l2, EachFormatsBrightnessIsFound) {
  const std::vector<std::array<std::uint32_t, 3>> all{{V4L2_PIX_FMT_GREY, 1, 0},
                                                      {V4L2_PIX_FMT_YUYV, 2, 0},
                                                      {V4L2_PIX_FMT_NV12, 1, 0},
                                                      {V4L2_PIX_FMT_VYUY, 2, 1},
                                                      {V4L2_PIX_FMT_SBGGR8, 1, 0}};
  for (const auto& [format, step, offset] : all) {
    device_.formats = {format};
    ASSERT_EQ(open(), "");
    device_.picture();
    const auto picture = camera_->next(waker_);
    ASSERT_TRUE(picture.has_value() && picture->has_value());
    EXPECT_EQ((*picture)->at(5, 1), static_cast<std::uint8_t>(640 * step + 5 * step + offset));
    camera_->close();
    device_.queued.clear();
  }
}

TEST_F(V4l2, AWakeEndsTheWait) {
  ASSERT_EQ(open(), "");
  waker_.wake();
  const auto picture = camera_->next(waker_);
  ASSERT_TRUE(picture.has_value());
  EXPECT_FALSE(picture->has_value());
}

TEST_F(V4l2, DamagedPicturesArePassedOverUntilThereIsNothingElse) {
  ASSERT_EQ(open(), "");
  device_.picture(V4L2_BUF_FLAG_ERROR);
  device_.picture();
  const auto picture = camera_->next(waker_);
  ASSERT_TRUE(picture.has_value() && picture->has_value());
  for (int i = 0; i < 200; ++i) device_.picture(V4L2_BUF_FLAG_ERROR);
  EXPECT_THAT(camera_->next(waker_).error().message, HasSubstr("damaged pictures alone"));
}

TEST_F(V4l2, WhatIsWrongIsSaidAndNothingIsLeftOpen) {
  struct Case {
    std::function<void(FakeDevice&)> wrong;
    const char* words;
  };
  const auto fails = [](unsigned long request, int problem) {
    return [=](FakeDevice& device) { device.errors[request] = problem; };
  };
  const std::vector<Case> all{
      {[](FakeDevice& device) { device.open_error = ENOENT; }, "cannot open /dev/fake: No such"},
      {[](FakeDevice& device) { device.open_error = EACCES; }, "group video"},
      {[](FakeDevice& device) { device.open_error = EBUSY; }, "in use by another program"},
      {[](FakeDevice& device) { device.open_error = ENODEV; }, "unplugged"},
      {fails(VIDIOC_QUERYCAP, ENOTTY), "not a device of Video4Linux"},
      {[](FakeDevice& device) { device.abilities = V4L2_CAP_META_CAPTURE; }, "gives no pictures"},
      {[](FakeDevice& device) { device.abilities = V4L2_CAP_VIDEO_CAPTURE; }, "memory-mapped"},
      {[](FakeDevice& device) { device.abilities = V4L2_CAP_VIDEO_CAPTURE_MPLANE; }, "planes"},
      {[](FakeDevice& device) { device.formats = {V4L2_PIX_FMT_MJPEG}; }, "gives MJPG"},
      {[](FakeDevice& device) { device.formats = {}; }, "gives no format"},
      {fails(VIDIOC_S_FMT, EBUSY), "in use by another program"},
      {[](FakeDevice& device) { device.width = 8192; }, "8192x480"},
      {fails(VIDIOC_REQBUFS, EBUSY), "in use by another program"},
      {fails(VIDIOC_REQBUFS, ENOMEM), "Cannot allocate memory"},
      {[](FakeDevice& device) { device.short_by = 1; }, "buffers of 614399 bytes"},
      {fails(VIDIOC_QUERYBUF, EINVAL), "Invalid argument"},
      {fails(VIDIOC_QBUF, EINVAL), "Invalid argument"},
      {fails(VIDIOC_STREAMON, ENODEV), "unplugged"},
  };
  for (const Case& one : all) {
    device_ = FakeDevice();
    one.wrong(device_);
    EXPECT_THAT(open(), HasSubstr(one.words));
    EXPECT_EQ(device_.opened, 0) << one.words;
    EXPECT_EQ(device_.mapped, 0) << one.words;
  }
}

TEST_F(V4l2, UnpluggedAmidPicturesItIsGone) {
  ASSERT_EQ(open(), "");
  device_.picture();
  ASSERT_TRUE(camera_->next(waker_).has_value());
  device_.picture();
  device_.errors[VIDIOC_QBUF] = ENODEV;
  EXPECT_THAT(camera_->next(waker_).error().message, HasSubstr("/dev/fake is unplugged"));
  device_.errors.clear();
  device_.errors[VIDIOC_DQBUF] = ENODEV;
  EXPECT_THAT(camera_->next(waker_).error().message, HasSubstr("/dev/fake is unplugged"));
}

}  // namespace
}  // namespace qanat::sources::video
