#include "node/alarms.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <new>

#include "base/backoff.h"
#include "base/quantity.h"
#include "base/shell_command.h"
#include "base/shown.h"
#include "crypto/aead.h"
#include "peers/http_client.h"

namespace qanat::node {

using observe::AlarmFilter;
using observe::AlarmRule;
using observe::Event;

namespace {

// Of what a webhook answers, for a message.
constexpr std::uint64_t most_answer = 64 << 10;
constexpr Duration first_retry = std::chrono::seconds(1);
constexpr Duration last_retry = std::chrono::minutes(1);

struct Url {
  peers::Endpoint endpoint;
  std::string target;
};

Url parse_webhook(const AlarmRule& rule) {
  const std::string& text = rule.webhook;
  const bool tls = text.starts_with("https://");
  if (!tls && !text.starts_with("http://")) {
    throw Failure(
        fmt::format("webhook '{}' is not a URL that begins with https:// or http://", shown(text)));
  }
  const std::string rest = text.substr(tls ? 8 : 7);
  const auto end = std::min(rest.find_first_of("/?"), rest.size());
  if (std::any_of(text.begin(), text.end(), [](char c) { return c <= ' ' || c >= 0x7f; }) ||
      rest.find('#') != std::string::npos || rest.find('@') < end) {
    throw Failure(fmt::format("webhook {}: blanks, '#' and user names are not allowed in a URL",
                              shown(rule.name())));
  }
  auto address = spec::parse_address(rest.substr(0, end), tls ? 443 : 80);
  if (!address) throw Failure(fmt::format("webhook: {}", address.error().message));
  Url url;
  url.endpoint.address = *address;
  url.endpoint.tls = tls;
  url.endpoint.trust.ca = rule.ca;
  url.target = rest.substr(end);
  if (!url.target.starts_with('/')) url.target.insert(0, "/");
  return url;
}

Result<void> call_webhook(const AlarmRule& rule, const std::string& body, const Waker& stop) {
  Url url = parse_webhook(rule);
  peers::HttpClient client(std::move(url.endpoint), stop,
                           {.connect = rule.timeout, .silence = rule.timeout});
  // A redirect is an answer like any other that is no success: what is sent goes where the operator
  // said, and nowhere else.
  peers::HttpClient::Bounds bounds;
  bounds.whole = rule.timeout;
  bounds.body = most_answer;
  bounds.any_2xx = true;
  const auto answer = client.request(
      "POST", url.target, body, [](Bytes) { return true; }, "application/json", bounds);
  if (!answer) return error(answer.error().message);
  return {};
}

Result<void> run_command(const AlarmRule& rule, const Event& event, const std::string& body,
                         const Waker& stop) {
  ShellCommand child;
  // An environment has no zero bytes, and scripts no love for line ends.
  const std::vector<std::pair<std::string, std::string>> variables{
      {"QANAT_KIND", std::string(to_string(event.kind))},
      {"QANAT_SUBJECT", escaped(event.subject)},
      {"QANAT_TEXT", escaped(event.text)},
      {"QANAT_TIME", std::to_string(event.time)},
      {"QANAT_EVENT", body}};
  // Its output goes to the log: ours may be the random bytes of an outlet.
  if (auto started = child.start(rule.command, STDERR_FILENO, variables); !started) return started;
  const auto status = child.wait(stop, rule.timeout);
  if (!status) {
    return error(fmt::format("not done after {}; killed", format_duration(rule.timeout)));
  }
  child.leave();
  if (*status != 0) return error(describe_wait_status(*status));
  return {};
}

}  // namespace

void check_alarm(const AlarmRule& rule) {
  if (rule.command.empty() && rule.webhook.empty()) {
    throw Failure("an alarm needs a command or a webhook");
  }
  if (!rule.command.empty() && !rule.webhook.empty()) {
    throw Failure("an alarm has either a command or a webhook");
  }
  if (rule.webhook.empty()) {
    if (rule.ca) throw Failure("ca= is for a webhook");
    return;
  }
  const Url url = parse_webhook(rule);
  if (rule.ca && !url.endpoint.tls) throw Failure("ca= is for an https:// webhook");
  if (rule.ca) (void)net::make_client_context(url.endpoint.trust);
}

Result<void> send_alarm(const AlarmRule& rule, const Event& event, const std::string& node_id,
                        std::uint64_t repeated, const Waker& stop) {
  const std::string body = observe::alarm_json(event, node_id, repeated);
  Backoff backoff(first_retry, last_retry, crypto::random_seed(), first_retry);
  for (std::uint64_t left = rule.retries;; --left) {
    auto sent = rule.webhook.empty() ? run_command(rule, event, body, stop)
                                     : call_webhook(rule, body, stop);
    if (sent || left == 0) return sent;
    if (wait_for(-1, 0, stop, backoff.next()) == Wake::woken) return error("stopped");
  }
}

Event trial_event() {
  return {.id = "test",
          .time = std::time(nullptr),
          .subject = "alarm test",
          .text = "this is a test: 'qanat alarm test' was run",
          .kind = EventKind::note};
}

class Alarms::Sender {
 public:
  Sender(const AlarmRule& rule, const Alarms& all)
      : rule_(rule), all_(all), filter_(rule.on, rule.repeat), thread_([this] { run(); }) {}
  ~Sender() {
    request_stop();
    thread_.join();
  }
  void request_stop() {
    {
      const MutexLock lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    stop_.wake();
  }

  const AlarmRule& rule() const { return rule_; }

  void offer(const Event& event) {
    {
      const MutexLock lock(mutex_);
      const AlarmFilter::Admitted admitted = filter_.admit(event, Clock().now());
      if (admitted.answer == AlarmFilter::Answer::dropped ||
          (admitted.answer == AlarmFilter::Answer::send && queue_.size() >= most_queued)) {
        ++counts_.dropped;
        filter_.not_told(event);
        return;
      }
      const bool held = admitted.answer == AlarmFilter::Answer::held;
      if (admitted.answer != AlarmFilter::Answer::send && !held) return;
      // Of what is held the thread must learn when it is due.
      if (!held) queue_.push_back({event, admitted.repeated});
    }
    changed_.notify_all();
  }

  observe::AlarmCounts counts() const {
    const MutexLock lock(mutex_);
    return counts_;
  }

 private:
  struct Queued {
    Event event;
    std::uint64_t repeated = 0;
  };

  void run() {
    for (;;) {
      Queued next;
      {
        const MutexLock lock(mutex_);
        while (queue_.empty() && !stopping_) {
          const TimePoint now = Clock().now();
          if (auto held = filter_.due(now)) {
            queue_.push_back({std::move(*held), 0});
          } else if (const auto due = filter_.next_due()) {
            changed_.wait_for(mutex_, std::max<Duration>(*due - now, std::chrono::milliseconds(1)));
          } else {
            changed_.wait(mutex_);
          }
        }
        if (stopping_) return;
        next = std::move(queue_.front());
        queue_.pop_front();
      }
      const std::string problem = try_to_send(next);
      {
        const MutexLock lock(mutex_);
        if (stopping_) return;
        ++(problem.empty() ? counts_.sent : counts_.failed);
        if (!problem.empty()) filter_.not_told(next.event);
      }
      // An event, and not of a kind that alarms tell of: else it would come back here.
      if (!problem.empty()) {
        all_.events_.add("alarm",
                         fmt::format("{}: '{}: {}' was not told: {}", shown(rule_.name()),
                                     shown(next.event.subject), shown(next.event.text), problem),
                         EventKind::warning);
      }
    }
  }

  std::string try_to_send(const Queued& next) const {
    try {
      const auto sent = send_alarm(rule_, next.event, all_.node_id_(), next.repeated, stop_);
      return sent ? "" : sent.error().message;
    } catch (const std::exception& problem) {
      return plain_what(problem);
    }
  }

  const AlarmRule rule_;
  const Alarms& all_;
  const Waker stop_;
  mutable Mutex mutex_;
  std::condition_variable_any changed_;
  AlarmFilter filter_ GUARDED_BY(mutex_);
  std::deque<Queued> queue_ GUARDED_BY(mutex_);
  observe::AlarmCounts counts_ GUARDED_BY(mutex_);
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

// A thread for each alarm.
class Alarms::Test {
 public:
  Test(std::vector<AlarmRule> rules, const std::string& node_id)
      : rules_(std::move(rules)), tried_(rules_.size()), left_(rules_.size()) {
    for (std::size_t i = 0; i < rules_.size(); ++i) {
      threads_.emplace_back([this, i, node_id] { try_one(i, node_id); });
    }
  }
  ~Test() {
    stop_.wake();
    for (std::thread& thread : threads_) thread.join();
  }

  std::optional<std::vector<Tried>> results() const {
    const MutexLock lock(mutex_);
    if (left_ > 0) return std::nullopt;
    return tried_;
  }

 private:
  void try_one(std::size_t index, const std::string& node_id) {
    const AlarmRule& rule = rules_[index];
    Tried tried{rule.name(), ""};
    try {
      const auto sent = send_alarm(rule, trial_event(), node_id, 0, stop_);
      if (!sent) tried.problem = sent.error().message;
    } catch (const std::exception& problem) {
      tried.problem = plain_what(problem);
    }
    const MutexLock lock(mutex_);
    tried_[index] = std::move(tried);
    --left_;
  }

  const std::vector<AlarmRule> rules_;
  const Waker stop_;
  mutable Mutex mutex_;
  std::vector<Tried> tried_ GUARDED_BY(mutex_);
  std::size_t left_ GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

Alarms::Alarms(observe::Events& events, std::function<std::string()> node_id)
    : events_(events),
      node_id_(std::move(node_id)),
      subscription_(events.happenings().add([this](const Event& event) { on_event(event); })) {}

Alarms::~Alarms() {
  subscription_.reset();
  set({});
  std::shared_ptr<Test> test;
  const MutexLock lock(mutex_);
  test_.swap(test);
}

void Alarms::on_event(const Event& event) noexcept {
  try {
    const MutexLock lock(mutex_);
    for (const auto& sender : senders_) sender->offer(event);
  } catch (const std::bad_alloc&) {
    return;  // there is no memory to tell of it, and whoever made the event must go on
  }
}

void Alarms::set(const std::vector<AlarmRule>& rules) {
  std::vector<std::shared_ptr<Sender>> old;
  {
    const MutexLock lock(mutex_);
    old = senders_;
  }
  std::vector<std::shared_ptr<Sender>> next;
  for (const AlarmRule& rule : rules) {
    const auto same = std::find_if(old.begin(), old.end(),
                                   [&](const auto& sender) { return sender->rule() == rule; });
    next.push_back(same != old.end() ? *same : std::make_shared<Sender>(rule, *this));
    if (same != old.end()) old.erase(same);
  }
  {
    const MutexLock lock(mutex_);
    senders_ = std::move(next);
  }
  // Those that go end here, side by side, with no lock held: they may be telling of an event.
  for (const auto& sender : old) sender->request_stop();
  old.clear();
}

std::map<std::string, observe::AlarmCounts> Alarms::counts() const {
  const MutexLock lock(mutex_);
  std::map<std::string, observe::AlarmCounts> counts;
  for (const auto& sender : senders_) {
    const observe::AlarmCounts own = sender->counts();
    observe::AlarmCounts& all = counts[sender->rule().name()];
    all.sent += own.sent;
    all.failed += own.failed;
    all.dropped += own.dropped;
  }
  return counts;
}

std::size_t Alarms::begin_test() {
  std::vector<AlarmRule> rules;
  {
    const MutexLock lock(mutex_);
    for (const auto& sender : senders_) rules.push_back(sender->rule());
    if (test_ && !test_->results()) return rules.size();
  }
  const std::size_t count = rules.size();
  auto test = std::make_shared<Test>(std::move(rules), node_id_());
  const MutexLock lock(mutex_);
  test_.swap(test);
  return count;
}

std::optional<std::vector<Alarms::Tried>> Alarms::tested() const {
  const MutexLock lock(mutex_);
  return test_ ? test_->results() : std::vector<Tried>();
}

}  // namespace qanat::node
