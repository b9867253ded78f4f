// One io_context a thread: what begins on a thread stays there.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"

namespace qanat::net {

class IoThreads {
 public:
  // `failed` is told, on that thread, of an exception that a handler let out: that ends the
  // handler, not the thread and all that lives on it. Without it there is a line in the log.
  using Failed = std::function<void(const std::string& why)>;
  explicit IoThreads(std::size_t count, Failed failed = {});
  // Stops and joins.
  ~IoThreads();

  std::size_t size() const { return threads_.size(); }
  boost::asio::io_context& context(std::size_t index) { return threads_[index]->context; }
  // Asks each thread to note the time, as soon as it gets to it. Any thread. Throws bad_alloc.
  void beat();
  // When the thread last did.
  TimePoint last_turn(std::size_t index) const {
    return TimePoint(Duration(threads_[index]->turned.load(std::memory_order_relaxed)));
  }
  // Runs `work` on that thread and waits for it; it may throw. Not to be called from an I/O thread.
  void run_on(std::size_t index, const std::function<void()>& work);
  void stop();

 private:
  struct Thread {
    // One thread runs it: no locks inside.
    boost::asio::io_context context{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard{
        context.get_executor()};
    std::atomic<bool> ending{false};
    std::atomic<bool> beating{false};  // asked, and not done yet
    std::atomic<Duration::rep> turned{Clock().now().time_since_epoch().count()};
    std::thread thread;
  };
  static void serve(Thread& thread);

  std::vector<std::unique_ptr<Thread>> threads_;
};

}  // namespace qanat::net
