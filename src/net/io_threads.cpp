#include "net/io_threads.h"

#include <pthread.h>
#include <signal.h>

#include <boost/asio/post.hpp>
#include <condition_variable>
#include <exception>
#include <mutex>

#include "base/log.h"
#include "base/work_loop.h"
#include "net/kept_loop.h"

namespace qanat::net {

IoThreads::IoThreads(std::size_t count, Failed failed) {
  if (!failed) failed = [](const std::string& why) { log_error("an I/O thread: {}", why); };
  for (std::size_t i = 0; i < count; ++i) {
    Thread& made = *threads_.emplace_back(std::make_unique<Thread>());
    made.thread = std::thread([&made, failed] {
      run_work([&made] { serve(made); }, failed,
               [&made](Duration) {
                 // It may be memory that is short. Others need this thread meanwhile.
                 made.context.restart();
                 made.context.run_for(std::chrono::milliseconds(10));
                 return true;
               });
    });
  }
}

IoThreads::~IoThreads() { stop(); }

void IoThreads::serve(Thread& thread) {
  while (!thread.ending) {
    KeptLoop::begin_dropped(thread.context);
    thread.context.run();
    thread.context.restart();
  }
}

void IoThreads::stop() {
  for (const auto& thread : threads_) {
    thread->ending = true;
    thread->guard.reset();
    thread->context.stop();
  }
  for (const auto& thread : threads_) {
    if (thread->thread.joinable()) thread->thread.join();
  }
}

void IoThreads::beat() {
  for (const auto& thread : threads_) {
    if (thread->beating.exchange(true)) continue;
    try {
      boost::asio::post(thread->context, [&thread = *thread] {
        // In this order: who was not let in by the first still sees the second.
        thread.beating.store(false);
        thread.turned.store(Clock().now().time_since_epoch().count(), std::memory_order_relaxed);
      });
    } catch (...) {
      thread->beating.store(false);
      throw;
    }
  }
}

void IoThreads::run_on(std::size_t index, const std::function<void()>& work) {
  // No future: its state lies on the heap, and what ends an outlet must not fail for want of
  // memory.
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
  std::exception_ptr problem;
  const auto task = [&] {
    try {
      work();
    } catch (...) {
      problem = std::current_exception();
    }
    // Held until the end: whoever waits takes all of this away.
    const std::scoped_lock lock(mutex);
    done = true;
    changed.notify_one();
  };
  // Destructors come here, too.
  constexpr std::chrono::milliseconds pause(1);
  for (int left = 2000;; --left) {
    try {
      boost::asio::post(context(index), task);
      break;
    } catch (const std::bad_alloc&) {
      if (left == 0) throw;
    }
    std::this_thread::sleep_for(pause);
  }
  std::unique_lock lock(mutex);
  changed.wait(lock, [&done] { return done; });
  if (problem) std::rethrow_exception(problem);
}

}  // namespace qanat::net
