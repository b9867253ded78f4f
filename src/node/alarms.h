// Tells of events what an operator named under [[alarm]]: commands and webhooks.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "base/waker.h"
#include "observe/alarm.h"
#include "observe/events.h"
#include "observe/node_report.h"

namespace qanat::node {

// Throws Failure where a rule can never work: neither or both of command and webhook, a URL that is
// none, a CA file that cannot be read.
void check_alarm(const observe::AlarmRule& rule);

// Once, with its retries; an Error says what failed. Ends early when `stop` is woken.
Result<void> send_alarm(const observe::AlarmRule& rule, const observe::Event& event,
                        const std::string& node_id, std::uint64_t repeated, const Waker& stop);

// What a test sends.
observe::Event trial_event();

// Each alarm has a thread and a queue of its own: one that hangs holds up neither the node nor
// another. Any thread.
class Alarms {
 public:
  // A thread each.
  static constexpr std::size_t most_rules = 16;
  // Events that wait for one that is slow; more are dropped, and counted.
  static constexpr std::size_t most_queued = 64;

  // `events` outlives it. `node_id` is asked when something is sent.
  Alarms(observe::Events& events, std::function<std::string()> node_id);
  ~Alarms();

  // In place of those there were; those that are the same go on, with what they have queued.
  void set(const std::vector<observe::AlarmRule>& rules);
  std::map<std::string, observe::AlarmCounts> counts() const;

  struct Tried {
    std::string name;
    std::string problem;  // empty: it arrived
  };
  // Sends a trial event to each, side by side, past filters and queues, and does not wait: how many
  // there are. While a test is under way, there is no other.
  std::size_t begin_test();
  // What came of the last test; nullopt while it is under way. Each takes no longer than its
  // time-outs and retries.
  std::optional<std::vector<Tried>> tested() const;

 private:
  class Sender;
  class Test;
  void on_event(const observe::Event& event) noexcept;

  observe::Events& events_;
  const std::function<std::string()> node_id_;
  mutable Mutex mutex_;
  std::vector<std::shared_ptr<Sender>> senders_ GUARDED_BY(mutex_);
  std::shared_ptr<Test> test_ GUARDED_BY(mutex_);
  // The last to come and the first to go: it calls the others.
  std::unique_ptr<Listeners<observe::Event>::Subscription> subscription_;
};

}  // namespace qanat::node
