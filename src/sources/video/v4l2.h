// Pictures of a camera of this machine: Video4Linux2, by memory-mapped buffers
// (https://docs.kernel.org/userspace-api/media/v4l/mmap.html).
#pragma once

#include <sys/mman.h>

#include <memory>
#include <string>
#include <vector>

#include "sources/video/picture.h"

namespace qanat::sources::video {

// The kernel, or what stands in for it in a test. As the calls of those names: -1 and errno.
class DeviceCalls {
 public:
  virtual ~DeviceCalls() = default;
  virtual int open(const std::string& path);
  virtual int ioctl(int fd, unsigned long request, void* argument);
  virtual void* map(std::size_t size, int fd, std::int64_t offset);
  virtual void unmap(void* memory, std::size_t size);
  virtual void close(int fd);
};

// Of `path`, which is a device of V4L2.
std::unique_ptr<Camera> make_v4l2(const std::string& path,
                                  std::unique_ptr<DeviceCalls> calls = nullptr);

// Those of /dev/video0 to /dev/video63 that give pictures: "/dev/video0 (Integrated Camera)".
std::vector<std::string> cameras_of_this_machine();

}  // namespace qanat::sources::video
