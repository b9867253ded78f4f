// Preloaded into a node (LD_PRELOAD): memory that is refused now and then, as a machine that has
// none left does, and a seed decides. The file that QANAT_NO_MEMORY names is shared with whoever
// started the node, who writes into it how often; see `Shared`.
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace {

struct Shared {
  std::atomic<std::uint32_t> one_in;  // 0: none is refused
  std::uint32_t seed;
  std::atomic<std::uint64_t> refused;  // so far
};

Shared* shared = nullptr;
std::atomic<std::uint32_t> threads{0};

__attribute__((constructor)) void begin() {
  const char* const path = std::getenv("QANAT_NO_MEMORY");
  const int fd = path != nullptr ? ::open(path, O_RDWR | O_CLOEXEC) : -1;
  // Not for the commands that the node starts.
  ::unsetenv("LD_PRELOAD");
  if (fd < 0) return;
  void* const at = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ::close(fd);
  if (at != MAP_FAILED) shared = static_cast<Shared*>(at);
}

// Whether this request is refused.
bool refuses() {
  if (shared == nullptr) return false;
  const std::uint32_t one_in = shared->one_in.load(std::memory_order_relaxed);
  if (one_in == 0) return false;
  thread_local std::uint64_t state = 0;
  if (state == 0) state = (std::uint64_t{shared->seed} << 8 | ++threads) * 0x9e3779b97f4a7c15 | 1;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  if ((state >> 16) % one_in != 0) return false;
  ++shared->refused;
  return true;
}

// The next definition of `name`.
template <typename Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

void* operator new(std::size_t size) {
  if (refuses()) throw std::bad_alloc();
  if (void* const at = std::malloc(size == 0 ? 1 : size)) return at;
  throw std::bad_alloc();
}
void* operator new[](std::size_t size) { return operator new(size); }
void operator delete(void* at) noexcept { std::free(at); }
void operator delete[](void* at) noexcept { std::free(at); }
void operator delete(void* at, std::size_t) noexcept { std::free(at); }
void operator delete[](void* at, std::size_t) noexcept { std::free(at); }

extern "C" {

// Of secret memory; malloc has its own.
void* mmap(void* at, std::size_t size, int protection, int flags, int fd, off_t offset) {
  static const auto real = next<decltype(&::mmap)>("mmap");
  if (fd < 0 && refuses()) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  return real(at, size, protection, flags, fd, offset);
}

int accept4(int fd, sockaddr* address, socklen_t* size, int flags) {
  static const auto real = next<decltype(&::accept4)>("accept4");
  if (refuses()) {
    errno = ENOMEM;
    return -1;
  }
  return real(fd, address, size, flags);
}

int socket(int domain, int type, int protocol) noexcept {
  static const auto real = next<int (*)(int, int, int)>("socket");
  if (refuses()) {
    errno = ENOBUFS;
    return -1;
  }
  return real(domain, type, protocol);
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*work)(void*),
                   void* argument) noexcept {
  static const auto real =
      next<int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*)>("pthread_create");
  return refuses() ? EAGAIN : real(thread, attributes, work, argument);
}
}
