#include "machine/generation.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "base/files.h"
#include "base/log.h"
#include "base/run_directory.h"

namespace qanat::machine {

std::string Generation::usual_path() {
  const std::string directory = run_directory();
  return directory.empty() ? "" : directory + "/generation";
}

Generation::Generation(const std::string& path) {
  if (path.empty()) return;
  make_directory_of(path);
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
  // Its space, too: a write through a mapping to a full disk ends the process (SIGBUS).
  const int problem = fd ? ::posix_fallocate(fd.get(), 0, file_bytes) : errno;
  if (problem != 0) {
    log_warning("{}: programs will not be told of a new generation",
                with_errno("cannot make " + path, problem));
    return;
  }
  ::fchmod(fd.get(), 0644);  // whatever the umask
  void* const page = ::mmap(nullptr, file_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (page == MAP_FAILED) {
    log_warning("{}", with_errno("cannot map " + path, errno));
    return;
  }
  counter_ = static_cast<std::uint64_t*>(page);
  // Another node of this machine may do the same at this moment: whoever comes first.
  std::uint64_t none = 0;
  std::atomic_ref(*counter_).compare_exchange_strong(none, 1);
}

Generation::~Generation() {
  if (counter_ != nullptr) ::munmap(counter_, file_bytes);
}

std::uint64_t Generation::advance() {
  return counter_ == nullptr ? 0 : std::atomic_ref(*counter_).fetch_add(1) + 1;
}

std::uint64_t Generation::value() const {
  return counter_ == nullptr ? 0 : std::atomic_ref(*counter_).load();
}

}  // namespace qanat::machine
