#include "cli/run_node.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>

#include "base/log.h"
#include "base/memory_lock.h"
#include "base/mutex.h"
#include "base/shown.h"
#include "base/version.h"
#include "machine/resume_watch.h"
#include "machine/systemd.h"
#include "wire/join_string.h"

namespace qanat::cli {

using namespace std::chrono_literals;

void end_node(node::Node& node, machine::Signals& signals, const std::string& problem) {
  const int code = problem.empty() ? 0 : 1;
  constexpr Duration deliveries_in_flight = 2s;
  machine::tell_systemd("STOPPING=1");
  signals.end_soon(code);
  bool whole = false;
  try {
    // What has gone from the state directory since the last look is in memory alone.
    node.check_state();
  } catch (const std::exception& failure) {
    log_error("{}: {}", node.state().path(), plain_what(failure));
  }
  try {
    whole = node.stop(deliveries_in_flight);
    log_all_sums();
  } catch (const std::exception& failure) {
    log_error("stopping: {}", plain_what(failure));
  }
  if (whole) return;
  // The reserve is wiped; a thread that sits in a device's read cannot be waited for.
  if (!problem.empty()) log_error("{}", problem);
  std::_Exit(code);
}

void add_log_option(CLI::App& command, std::string& format) {
  command.add_option("--log", format, "Form of the log (default: text)")
      ->check(CLI::IsMember({"text", "json"}));
}

LogFormat log_format(const std::string& name) {
  return name == "json" ? LogFormat::json : LogFormat::text;
}

namespace {

void handle(machine::Signal signal, node::Node& node, node::MonitorLink& monitor,
            const std::function<node::Config()>& reread) {
  if (signal == machine::Signal::child && monitor.is_lost()) {
    node.alarm(
        "monitor",
        "the monitor process has ended, or does not answer: the kernel gets no more entropy, and "
        "devices and commands are not started again; restart this node");
    // As a watchdog that was not fed: systemd starts both processes again.
    machine::tell_systemd("WATCHDOG=trigger");
  }
  if (signal == machine::Signal::now) node.renew("SIGUSR1");
  // rngsend, which is none, has its words alone too.
  if (signal == machine::Signal::reload && !reread && node.report().role == "feed") {
    log_warning("a feed has nothing to read again; restart it");
  }
  if (signal == machine::Signal::reload && reread) {
    machine::tell_reloading();
    try {
      // First what the node may ask for, then what it asks for.
      if (auto read = monitor.reload(); !read) throw Failure(read.error().message);
      node.reload(reread());
      log_info("configuration reloaded");
    } catch (const std::exception& problem) {
      log_error("the configuration stays as it was: {}",
                wire::without_secrets(plain_what(problem)));
    }
    machine::tell_systemd("READY=1");
  }
}

// What the service manager shows of this node; it hears first that the node is ready.
class ServiceStatus {
 public:
  void tell(const std::string& text) {
    const MutexLock lock(mutex_);
    line_ = "STATUS=" + escaped(text);
    if (ready_) machine::tell_systemd(line_);
  }
  void ready() {
    const MutexLock lock(mutex_);
    machine::tell_systemd("READY=1");
    ready_ = true;
    if (!line_.empty()) machine::tell_systemd(line_);
  }

 private:
  Mutex mutex_;
  std::string line_ GUARDED_BY(mutex_);
  bool ready_ GUARDED_BY(mutex_) = false;
};

// systemd's watchdog (WatchdogSec): told that all is well by the thread that handles signals and
// reloads, and only while the node's threads turn.
class Watchdog {
 public:
  // Three times within systemd's time: a thread that was slow once is no reason to restart.
  explicit Watchdog(node::Node& node) : node_(node), time_(machine::watchdog_time()) {}

  // How long it can be left alone; `most`, where nobody listens.
  Duration left(Duration most) const {
    return time_ ? std::clamp(due_ - Clock().now(), Duration(1ms), most) : most;
  }
  void look() {
    const TimePoint now = Clock().now();
    if (!time_ || now < due_) return;
    due_ = now + *time_ / 3;
    if (node_.turning()) machine::tell_systemd("WATCHDOG=1");
  }

 private:
  node::Node& node_;
  const std::optional<Duration> time_;
  TimePoint due_{};
};

}  // namespace

std::unique_ptr<node::Separation> prepare_node(const node::NodeSettings& settings,
                                               const std::function<node::Config()>& reread,
                                               const std::string& config_path) {
  machine::prepare_process();
  node::Separation::Around around{.config_path = config_path};
  if (reread) {
    around.reread = [state = settings.state_path, reread] {
      return node::NodeSettings{.state_path = state,
                                .config = reread(),
                                .feed = {},
                                .generation_path = {},
                                .on_fed = {},
                                .tell_service = {}};
    };
  }
  return std::make_unique<node::Separation>(settings, std::move(around));
}

int run_node(node::NodeSettings settings, const std::function<node::Config()>& reread,
             const std::string& config_path) {
  settings.generation_path = machine::Generation::usual_path();
  const auto separation = prepare_node(settings, reread, config_path);
  ServiceStatus status;
  settings.tell_service = [&status](const std::string& text) { status.tell(text); };
  machine::Signals signals;
  // Generators, cookies and what is under way, beside the reserve.
  constexpr std::size_t beside = 64 << 10;
  const std::size_t secrets = beside + (settings.feed ? 0 : settings.config.reserve_bytes);
  if (const auto why = why_not_locked(secrets); !why.empty()) log_warning("{}", why);
  node::Node node(std::move(settings));
  node.start();
  log_info("{}", separation->text());
  if (!separation->warning().empty()) log_warning("{}", separation->warning());
  log_info("qanat {} is running, state in {}", version(), node.state().path());
  for (const auto& outlet : node.report().outlets) log_info("{}: {}", outlet.name, outlet.detail);
  status.ready();
  const machine::ResumeWatch watch(
      [&node](const std::string& why) { node.renew(why); },
      [&node](const std::string& why) { node.alarm("resume", "the watch has ended: " + why); });
  Watchdog watchdog(node);
  // Nothing tells that a directory is deleted as surely as a look at it.
  constexpr Duration look_interval = 60s;
  TimePoint look = Clock().now() + look_interval;
  for (;;) {
    watchdog.look();
    const machine::Signal signal =
        signals.wait(watchdog.left(std::max(look - Clock().now(), Duration(1ms))));
    if (signal == machine::Signal::stop) {
      log_info("stopping");
      end_node(node, signals, "");
      return 0;
    }
    if (signal == machine::Signal::none && Clock().now() < look) continue;
    look = Clock().now() + look_interval;
    try {
      handle(signal, node, separation->monitor(), reread);
      node.check_state();
      node.check_control_socket();
    } catch (const std::exception& problem) {
      log_error("{}", plain_what(problem));
    }
  }
}

}  // namespace qanat::cli
