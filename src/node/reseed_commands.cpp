#include "node/reseed_commands.h"

#include <fmt/core.h>

#include <utility>

#include "base/quantity.h"

namespace qanat::node {

ReseedCommands::ReseedCommands(OnEvent on_event) : on_event_(std::move(on_event)) {}

ReseedCommands::~ReseedCommands() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  stop_.wake();
  if (thread_.joinable()) thread_.join();
}

void ReseedCommands::set(std::vector<std::string> commands) {
  const std::scoped_lock lock(mutex_);
  commands_ = std::move(commands);
}

void ReseedCommands::run(const std::string& reason, std::uint64_t generation) {
  {
    const std::scoped_lock lock(mutex_);
    if (commands_.empty() || stopping_) return;
    reason_ = reason;
    generation_ = generation;
    wanted_ = true;
    if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
  }
  changed_.notify_all();
}

void ReseedCommands::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return wanted_ || stopping_; });
    if (stopping_) return;
    wanted_ = false;
    const std::vector<std::string> commands = commands_;
    const std::vector<std::pair<std::string, std::string>> variables{
        {"QANAT_GENERATION", std::to_string(generation_)}, {"QANAT_REASON", reason_}};
    lock.unlock();
    for (const std::string& command : commands) run_one(command, variables);
    lock.lock();
  }
}

void ReseedCommands::run_one(const std::string& command,
                             const std::vector<std::pair<std::string, std::string>>& variables) {
  ShellCommand child;
  // Its output is ours: it is the service's log.
  if (auto started = child.start(command, -1, variables); !started) {
    on_event_("on-reseed", fmt::format("{}: {}", command, started.error().message), true);
    return;
  }
  const auto status = child.wait(stop_, limit);
  // Killed, as the program ends.
  if (!status && wait_for(-1, 0, stop_, Duration::zero()) == Wake::woken) return;
  if (!status) {
    on_event_("on-reseed",
              fmt::format("{}: not done after {}; killed", command, format_duration(limit)), true);
  } else if (*status != 0) {
    on_event_("on-reseed", fmt::format("{}: {}", command, describe_wait_status(*status)), true);
  }
}

}  // namespace qanat::node
