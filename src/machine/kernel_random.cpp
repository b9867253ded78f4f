#include "machine/kernel_random.h"

#include <fcntl.h>
#include <linux/random.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/files.h"
#include "base/powers.h"
#include "base/secret.h"

namespace qanat::machine {
namespace {

// struct rand_pool_info: two ints, then the data.
constexpr std::size_t head_bytes = 2 * sizeof(int);

}  // namespace

int add_to_kernel(int fd, Bytes bytes, std::size_t credited, Bytes local) {
  if (bytes.size() > most_kernel_bytes || local.size() > most_kernel_local) return EMSGSIZE;
  if (powers() != nullptr) return powers()->add_to_kernel(bytes, credited, local);
  WipedArray<head_bytes + most_kernel_bytes + most_kernel_local> request;
  const std::array<int, 2> head{static_cast<int>(8 * credited),
                                static_cast<int>(bytes.size() + local.size())};
  std::uint8_t* out = request.view().data();
  std::memcpy(out, head.data(), head_bytes);
  std::copy(bytes.begin(), bytes.end(), out + head_bytes);
  std::copy(local.begin(), local.end(), out + head_bytes + bytes.size());
  if (::ioctl(fd, RNDADDENTROPY, out) != 0) return errno;
  // Linux before 4.17 has no such request, and uses the pool by itself soon enough.
  ::ioctl(fd, RNDRESEEDCRNG);
  return 0;
}

int add_to_kernels_pool(Bytes bytes, std::size_t credited, Bytes local) {
  const UniqueFd device(::open("/dev/random", O_RDWR | O_CLOEXEC));
  return device ? add_to_kernel(device.get(), bytes, credited, local) : errno;
}

}  // namespace qanat::machine
