// Running a node in the foreground, for `serve` and `feed`.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "node/node.h"

namespace qanat::cli {

// Until SIGTERM or SIGINT. `reread` makes the configuration anew for SIGHUP; empty: there is none.
int run_node(node::NodeSettings settings, const std::function<node::Config()>& reread);

// Sees to it that the process ends, whatever is stuck. Its thread is made at the start: it may be
// for want of memory that the end comes.
class EndWatch {
 public:
  EndWatch();
  EndWatch(const EndWatch&) = delete;
  EndWatch& operator=(const EndWatch&) = delete;
  ~EndWatch();

  // From here on the process has seconds.
  void begin();

 private:
  enum class Stage { running, ending, ended };
  void run();
  void set(Stage stage);

  std::mutex mutex_;
  std::condition_variable changed_;
  Stage stage_ = Stage::running;
  std::thread thread_;
};

// The end that both have in common: 0, or an exit at once when a source is stuck.
void end_node(node::Node& node, EndWatch& watch);

}  // namespace qanat::cli
