#include "sources/runner/origins.h"

#include <linux/magic.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include <cstdlib>
#include <memory>

namespace qanat::sources {
namespace {

// Documentation/admin-guide/devices.txt: the memory devices.
constexpr unsigned memory_devices = 1;
constexpr unsigned minor_null = 3;
constexpr unsigned minor_zero = 5;
constexpr unsigned minor_full = 7;
constexpr unsigned minor_random = 8;
constexpr unsigned minor_urandom = 9;

constexpr const char* kernels_own =
    "it is the kernel's own generator, whose entropy was already counted at its source";

// A file of the kernel's that gives a new random UUID, or the one of this boot, for each opening.
bool is_kernels_uuid(const std::string& path) {
  struct statfs system {};
  if (::statfs(path.c_str(), &system) != 0 || system.f_type != PROC_SUPER_MAGIC) return false;
  const std::unique_ptr<char, void (*)(void*)> real(::realpath(path.c_str(), nullptr), std::free);
  const std::string_view name = real ? real.get() : "";
  return name.ends_with("/sys/kernel/random/uuid") || name.ends_with("/sys/kernel/random/boot_id");
}

}  // namespace

std::optional<Origin> origin_of(const struct stat& info) {
  if (S_ISCHR(info.st_mode)) return Origin{S_IFCHR, info.st_rdev, 0};
  if (S_ISBLK(info.st_mode)) return Origin{S_IFBLK, info.st_rdev, 0};
  if (S_ISREG(info.st_mode)) return Origin{S_IFREG, info.st_dev, info.st_ino};
  return std::nullopt;
}

std::optional<Origin> origin_of(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? origin_of(info) : std::nullopt;
}

std::array<dev_t, 2> kernel_generators() {
  return {makedev(memory_devices, minor_random), makedev(memory_devices, minor_urandom)};
}

bool is_kernel_generator(const Origin& origin) {
  const auto generators = kernel_generators();
  return origin.type == S_IFCHR &&
         std::find(generators.begin(), generators.end(), origin.device) != generators.end();
}

std::string worthless(const Origin& origin) {
  if (is_kernel_generator(origin)) return kernels_own;
  if (origin.type != S_IFCHR || major(origin.device) != memory_devices) return "";
  switch (minor(origin.device)) {
    case minor_null:
    case minor_zero:
    case minor_full:
      return "it is the null or zero device";
    default:
      return "";
  }
}

std::string worthless_path(const std::string& path) {
  if (is_kernels_uuid(path)) return kernels_own;
  const auto origin = origin_of(path);
  return origin ? worthless(*origin) : "";
}

std::string Origins::claim(const Origin& origin, entropy::SourceId owner, const std::string& name) {
  const MutexLock lock(mutex_);
  const auto [at, fresh] = holders_.try_emplace(origin, Holder{owner, name});
  if (at->second.owner != owner) return at->second.name;
  std::erase_if(holders_, [&](const auto& held) {
    return held.second.owner == owner && held.first.type != S_IFREG && held.first != origin;
  });
  return "";
}

void Origins::release(entropy::SourceId owner, bool counted) {
  const MutexLock lock(mutex_);
  std::erase_if(holders_, [&](const auto& held) {
    return held.second.owner == owner && !(counted && held.first.type == S_IFREG);
  });
}

}  // namespace qanat::sources
