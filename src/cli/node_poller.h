// Asks nodes for their status documents, again and again, on a thread of its own: one that does not
// answer keeps nobody from reading keys.
#pragma once

#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/waker.h"

namespace qanat::cli {

class NodePoller {
 public:
  struct Answer {
    std::optional<boost::json::value> document;
    std::optional<boost::json::value> history;  // with the first document, where a node has it
    std::string problem;                        // why there is no document
    bool absent = false;                        // no node runs there
  };

  // The first round begins at once. `states`: their state directories.
  NodePoller(std::vector<std::string> states, Duration every);
  ~NodePoller();
  NodePoller(const NodePoller&) = delete;
  NodePoller& operator=(const NodePoller&) = delete;

  // Readable while there are answers that were not taken.
  int fd() const { return news_.fd(); }
  // One for each node, in their order; nullopt when there are no new ones.
  std::optional<std::vector<Answer>> take();

 private:
  void run();
  Answer ask(const std::string& state, bool& has_history) const;

  const std::vector<std::string> states_;
  const Duration every_;
  Waker stop_;
  Waker news_;
  Mutex mutex_;
  std::optional<std::vector<Answer>> answers_ GUARDED_BY(mutex_);
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace qanat::cli
