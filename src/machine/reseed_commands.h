// What an operator wants done when this machine was renewed: on-reseed commands.
#pragma once

#include <condition_variable>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/waker.h"
#include "observe/reports.h"

namespace qanat::machine {

// Runs them one after the other, by /bin/sh, on a thread of its own, with QANAT_GENERATION and
// QANAT_REASON in their environment. What happens while they run makes them run once more, not once
// for each. A command that takes longer than `limit` is killed, with all its children.
class ReseedCommands {
 public:
  explicit ReseedCommands(observe::OnEvent on_event);
  ReseedCommands(const ReseedCommands&) = delete;
  ReseedCommands& operator=(const ReseedCommands&) = delete;
  ~ReseedCommands();

  // From any thread; from the next run on.
  void set(std::vector<std::string> commands);
  // From any thread; does not wait.
  void run(const std::string& reason, std::uint64_t generation);

  // Longer than reloading a server takes; short enough that a stuck one is noticed.
  static constexpr Duration limit = std::chrono::seconds(60);

 private:
  void work() EXCLUDES(mutex_);
  // Waits for the next run; false when there is none to come.
  bool await_run(std::vector<std::string>& commands,
                 std::vector<std::pair<std::string, std::string>>& variables) EXCLUDES(mutex_);
  void run_one(const std::string& command,
               const std::vector<std::pair<std::string, std::string>>& variables);

  const observe::OnEvent on_event_;
  const Waker stop_;
  Mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<std::string> commands_ GUARDED_BY(mutex_);
  std::string reason_ GUARDED_BY(mutex_);
  std::uint64_t generation_ GUARDED_BY(mutex_) = 0;
  bool wanted_ GUARDED_BY(mutex_) = false;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread thread_ GUARDED_BY(mutex_);  // from the first run on
};

}  // namespace qanat::machine
