#include "net/io_threads.h"

#include <pthread.h>
#include <signal.h>

#include <boost/asio/post.hpp>
#include <future>

#include "base/log.h"
#include "base/work_loop.h"

namespace qanat::net {

IoThreads::IoThreads(std::size_t count, Failed failed) {
  if (!failed) failed = [](const std::string& why) { log_error("an I/O thread: {}", why); };
  for (std::size_t i = 0; i < count; ++i) {
    Thread& made = *threads_.emplace_back(std::make_unique<Thread>());
    made.thread = std::thread([&made, failed] {
      run_work([&made] { made.context.run(); }, failed, [](Duration) { return true; });
    });
  }
}

IoThreads::~IoThreads() { stop(); }

void IoThreads::stop() {
  for (const auto& thread : threads_) {
    thread->guard.reset();
    thread->context.stop();
  }
  for (const auto& thread : threads_) {
    if (thread->thread.joinable()) thread->thread.join();
  }
}

void IoThreads::run_on(std::size_t index, const std::function<void()>& work) {
  std::packaged_task<void()> task(work);
  auto done = task.get_future();
  boost::asio::post(context(index), [&task] { task(); });
  done.get();
}

}  // namespace qanat::net
