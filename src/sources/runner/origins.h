// What a source reads from, by what the kernel calls it: a name may have many.
#pragma once

#include <sys/stat.h>

#include <array>
#include <compare>
#include <map>
#include <optional>
#include <string>

#include "base/mutex.h"
#include "entropy/ledger.h"

namespace qanat::sources {

// A device by its number, or a regular file by its inode. Of a FIFO each reader has other bytes: it
// has none.
struct Origin {
  mode_t type = 0;  // S_IFCHR, S_IFBLK or S_IFREG
  dev_t device = 0;
  ino_t inode = 0;

  // clang-tidy 14 sees a 0 in it.
  auto operator<=>(const Origin&) const = default;  // NOLINT(modernize-use-nullptr)
};
std::optional<Origin> origin_of(const struct stat& info);
// Of what is at `path` now.
std::optional<Origin> origin_of(const std::string& path);

// /dev/random or /dev/urandom, whatever it is called and wherever it is.
bool is_kernel_generator(const Origin& origin);
std::array<dev_t, 2> kernel_generators();
// Why its bytes are nobody's new entropy: the kernel's generator, or null, zero and full. Empty for
// all others.
std::string worthless(const Origin& origin);
// The same of what is at `path` now; of /proc/sys/kernel/random/uuid, too.
std::string worthless_path(const std::string& path);

// Who reads what, in this process: the same bytes, or the same device's, are credited once.
// Thread-safe.
class Origins {
 public:
  // The name of the source that has it already; empty when it is `owner`'s now, in place of what it
  // had before. But a file's bytes stay counted.
  std::string claim(const Origin& origin, entropy::SourceId owner, const std::string& name);
  // The owner ends; `counted`: something of what it read was credited.
  void release(entropy::SourceId owner, bool counted);

 private:
  struct Holder {
    entropy::SourceId owner = 0;
    std::string name;
  };
  Mutex mutex_;
  std::map<Origin, Holder> holders_ GUARDED_BY(mutex_);
};

}  // namespace qanat::sources
