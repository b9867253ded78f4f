#include "machine/boot_seed.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/files.h"
#include "base/timing_noise.h"
#include "crypto/blake2b.h"

namespace qanat::machine {
namespace {

// A machine is given one; the oldest are forgotten first.
constexpr std::size_t most_remembered = 256;

// A line of the list of used seeds.
std::string line_of(Bytes seed) {
  std::array<std::uint8_t, 16> digest{};
  crypto::blake2b({}, {as_bytes("qanat used seed"), seed}, digest);
  return to_hex(digest) + "\n";
}

// True when it is new and will be known from now on.
Result<bool> remember(Bytes seed, const std::string& list_path) {
  std::string list;
  const std::string line = line_of(seed);
  if (::access(list_path.c_str(), F_OK) == 0) {
    auto known = read_file(list_path);
    if (!known) return tl::unexpected(known.error());
    if (known->size() % line.size() != 0 || (!known->empty() && known->back() != '\n')) {
      return error(fmt::format(
          "{} is damaged, so nobody knows whether this seed was used before: remove that file, and "
          "give a new seed",
          list_path));
    }
    list = std::move(*known);
  }
  if (list.find(line) != std::string::npos) return false;
  list += line;
  if (list.size() > most_remembered * line.size()) list.erase(0, line.size());
  if (auto kept = replace_file(list_path, as_bytes(list), 0600); !kept) {
    return tl::unexpected(kept.error());
  }
  return true;
}

// All of the file, which is `out.size()` bytes at most.
Result<std::size_t> read_seed(const std::string& path, MutableBytes out) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info {};
  if (!fd || ::fstat(fd.get(), &info) != 0) return error(with_errno("cannot open " + path, errno));
  if ((info.st_mode & 077) != 0) {
    return error(fmt::format("{} may be read by others (mode {:04o}), so it is not a secret", path,
                             info.st_mode & 07777));
  }
  return read_all(fd.get(), path, out);
}

}  // namespace

Result<void> give_to_kernel(Bytes bytes, std::size_t credited) {
  const UniqueFd device(::open("/dev/random", O_RDWR | O_CLOEXEC));
  if (!device) return error(with_errno("cannot open /dev/random", errno));
  std::array<std::uint8_t, 32> local{};
  write_timestamps(local);
  const int problem = machine::add_to_kernel(device.get(), bytes, credited, local);
  if (problem != 0) return error(with_errno("RNDADDENTROPY", problem));
  return {};
}

Result<BootSeedUse> use_boot_seed(const BootSeed& seed, const std::string& used_seeds,
                                  const GiveToKernel& give) {
  WipedArray<BootSeed::most_bytes + 1> buffer;
  const auto size = read_seed(seed.path, buffer.view());
  if (!size) return tl::unexpected(size.error());
  if (*size < BootSeed::least_bytes || *size > BootSeed::most_bytes) {
    return error(
        fmt::format("{} holds {} bytes; 32 to 512 are a seed", seed.path,
                    *size > BootSeed::most_bytes ? "more than 512" : std::to_string(*size)));
  }
  const Bytes bytes = buffer.view().first(*size);
  BootSeedUse use{.bytes = *size, .why_not = {}};
  const auto fresh = remember(bytes, used_seeds);
  if (!seed.credit) {
    use.why_not = "credit=no";
  } else if (!fresh && !seed.insist) {
    use.why_not = fmt::format(
        "that it was used cannot be remembered, and the next boot might find it again ({}); write "
        "credit=yes if it will not",
        fresh.error().message);
  } else if (fresh && !*fresh) {
    use.why_not = "it was used before";
  }
  use.credited = use.why_not.empty();
  if (auto given = give(bytes, use.credited ? *size : 0); !given) {
    return tl::unexpected(given.error());
  }
  // Not left for the next boot, or for whoever copies the disk. sysfs does not let it be removed.
  struct stat info {};
  use.removed = ::lstat(seed.path.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
                ::unlink(seed.path.c_str()) == 0;
  return use;
}

}  // namespace qanat::machine
