// A mutex that Clang knows of: which member it guards, and which function wants it held or not, is
// written beside them and checked by -Wthread-safety. Other compilers see nothing of it.
//
// Two rules (docs/architecture.md, "Locks"): a mutex guards the members of one object and is held
// for moments only; and while one is held, no other object is started, stopped, drained or called
// back.
#pragma once

#include <mutex>

#if defined(__clang__)
#define QANAT_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define QANAT_THREAD_ANNOTATION(x)
#endif

// Of a member: read and written with this mutex held.
#define GUARDED_BY(x) QANAT_THREAD_ANNOTATION(guarded_by(x))
// Of a function: called with this mutex held, or without it.
#define REQUIRES(...) QANAT_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) QANAT_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))

namespace qanat {

class QANAT_THREAD_ANNOTATION(capability("mutex")) Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  // For MutexLock, and for a std::condition_variable_any, which waits on the mutex itself.
  void lock() QANAT_THREAD_ANNOTATION(acquire_capability()) { mutex_.lock(); }
  void unlock() QANAT_THREAD_ANNOTATION(release_capability()) { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

class QANAT_THREAD_ANNOTATION(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) QANAT_THREAD_ANNOTATION(acquire_capability(mutex))
      : mutex_(mutex) {
    mutex_.lock();
  }
  ~MutexLock() QANAT_THREAD_ANNOTATION(release_capability()) { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace qanat
