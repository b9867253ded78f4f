#include "machine/reseed_commands.h"

#include <fmt/core.h>

#include <utility>

#include "base/quantity.h"
#include "base/shell_command.h"
#include "base/work_loop.h"

namespace qanat::machine {

ReseedCommands::ReseedCommands(observe::OnEvent on_event) : on_event_(std::move(on_event)) {}

ReseedCommands::~ReseedCommands() {
  std::thread thread;
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    thread = std::move(thread_);
  }
  changed_.notify_all();
  stop_.wake();
  if (thread.joinable()) thread.join();
}

void ReseedCommands::set(std::vector<std::string> commands) {
  const MutexLock lock(mutex_);
  commands_ = std::move(commands);
}

void ReseedCommands::run(const std::string& reason, std::uint64_t generation) {
  {
    const MutexLock lock(mutex_);
    if (commands_.empty() || stopping_) return;
    reason_ = reason;
    generation_ = generation;
    wanted_ = true;
    if (!thread_.joinable()) {
      thread_ = std::thread([this] {
        run_work(
            [this] { work(); },
            [this](const std::string& why) { on_event_("on-reseed", why, EventKind::warning); },
            [this](Duration gap) { return wait_for(-1, 0, stop_, gap) == Wake::timeout; });
      });
    }
  }
  changed_.notify_all();
}

void ReseedCommands::work() {
  std::vector<std::string> commands;
  std::vector<std::pair<std::string, std::string>> variables;
  while (await_run(commands, variables)) {
    for (const std::string& command : commands) {
      try {
        run_one(command, variables);
      } catch (const std::exception& problem) {
        // The others run all the same.
        on_event_("on-reseed", fmt::format("{}: {}", command, plain_what(problem)),
                  EventKind::warning);
      }
    }
  }
}

bool ReseedCommands::await_run(std::vector<std::string>& commands,
                               std::vector<std::pair<std::string, std::string>>& variables) {
  const MutexLock lock(mutex_);
  while (!wanted_ && !stopping_) changed_.wait(mutex_);
  if (stopping_) return false;
  wanted_ = false;
  commands = commands_;
  variables = {{"QANAT_GENERATION", std::to_string(generation_)}, {"QANAT_REASON", reason_}};
  return true;
}

void ReseedCommands::run_one(const std::string& command,
                             const std::vector<std::pair<std::string, std::string>>& variables) {
  ShellCommand child;
  // Its output is ours: it is the service's log.
  if (auto started = child.start(command, -1, variables); !started) {
    on_event_("on-reseed", fmt::format("{}: {}", command, started.error().message),
              EventKind::warning);
    return;
  }
  const auto status = child.wait(stop_, limit);
  if (status) child.leave();
  // Killed, as the program ends.
  if (!status && stop_.is_woken()) return;
  if (!status) {
    on_event_("on-reseed",
              fmt::format("{}: not done after {}; killed", command, format_duration(limit)),
              EventKind::warning);
  } else if (*status != 0) {
    on_event_("on-reseed", fmt::format("{}: {}", command, describe_wait_status(*status)),
              EventKind::warning);
  }
}

}  // namespace qanat::machine
