#include "base/shell_command.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/descriptor_limit.h"
#include "base/powers.h"

namespace qanat {

using namespace std::chrono_literals;

namespace {

constexpr Duration grace = 500ms;
// How often an end is looked for where the kernel does not tell of it: Linux before 5.3, or no
// descriptor was free.
constexpr Duration look_interval = 20ms;

// $1 is the limit of open files, $2 the command.
constexpr const char* run_script = R"(ulimit -S -n "$1"; exec /bin/sh -c "$2")";
// Its input ends when whoever holds the other end does, kill -9 included.
constexpr const char* guard_script = "trap '' TERM; read -r _; kill -KILL 0";

// What systemd asks of this process is no business of a command's: it could say that we are ready,
// or stopping, or well.
bool of_service_manager(std::string_view entry) {
  constexpr std::array<std::string_view, 6> names{
      "NOTIFY_SOCKET=", "WATCHDOG_USEC=", "WATCHDOG_PID=",
      "LISTEN_PID=",    "LISTEN_FDS=",    "LISTEN_FDNAMES="};
  return std::any_of(names.begin(), names.end(),
                     [entry](std::string_view name) { return entry.starts_with(name); });
}

// Ours, with some more: "NAME=VALUE".
std::vector<std::string> environment_with(
    const std::vector<std::pair<std::string, std::string>>& variables) {
  std::vector<std::string> entries;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!of_service_manager(*entry)) entries.emplace_back(*entry);
  }
  for (const auto& [name, value] : variables) {
    entries.push_back(fmt::format("{}={}", name, value));
  }
  return entries;
}

std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

// What a shell is started with.
class Start {
 public:
  // `group`: the process group that it joins; 0: its own.
  explicit Start(pid_t group) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attributes_, group);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes_, &none);
    sigset_t usual;
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE);
    posix_spawnattr_setsigdefault(&attributes_, &usual);
  }
  Start(const Start&) = delete;
  Start& operator=(const Start&) = delete;
  ~Start() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }

  void open(int as, const char* path, int mode) {
    posix_spawn_file_actions_addopen(&actions_, as, path, mode, 0);
  }
  void copy(int fd, int as) { posix_spawn_file_actions_adddup2(&actions_, fd, as); }

  Result<pid_t> shell(std::vector<std::string> arguments, std::vector<std::string> environment) {
    arguments.insert(arguments.begin(), {"/bin/sh", "-c"});
    // Ours are closed by themselves; those of libraries, such as a TPM's, may not be.
    posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
    pid_t child = -1;
    const int problem = posix_spawn(&child, "/bin/sh", &actions_, &attributes_,
                                    pointers_to(arguments).data(), pointers_to(environment).data());
    if (problem != 0) return error(with_errno("cannot start /bin/sh", problem));
    return child;
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

}  // namespace

Result<void> ShellCommand::start(
    std::string command, int output,
    const std::vector<std::pair<std::string, std::string>>& variables) {
  terminate();
  if (powers() != nullptr) {
    auto started = powers()->start(command, output, variables);
    if (!started) return tl::unexpected(started.error());
    guard_ = started->group;
    far_ = std::move(started->link);
    return {};
  }
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return error(with_errno("pipe", errno));
  const UniqueFd watched(ends[0]);
  guarded_ = UniqueFd(ends[1]);
  Start guard(0);
  guard.copy(watched.get(), STDIN_FILENO);
  guard.open(STDOUT_FILENO, "/dev/null", O_WRONLY);
  const auto guard_started = guard.shell({guard_script}, {});
  if (!guard_started) return tl::unexpected(guard_started.error());
  guard_ = *guard_started;
  Start start(guard_);
  start.open(STDIN_FILENO, "/dev/null", O_RDONLY);
  if (output >= 0) start.copy(output, STDOUT_FILENO);
  const rlim_t limit = descriptor_limit_at_start();
  const auto started =
      start.shell({run_script, "sh", limit == RLIM_INFINITY ? "unlimited" : std::to_string(limit),
                   std::move(command)},
                  environment_with(variables));
  if (!started) {
    terminate();
    return tl::unexpected(started.error());
  }
  child_ = *started;
  ended_ = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, child_, 0)));
  return {};
}

// Of one that the monitor runs; as lost to us as one that was killed, where that is gone.
std::optional<int> ShellCommand::reap_far() {
  int status = 0;
  const ssize_t n = ::recv(far_.get(), &status, sizeof status, MSG_DONTWAIT);
  if (n == sizeof status) return status;
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
  return SIGKILL;
}

// Its wait status, once it has ended.
std::optional<int> ShellCommand::reap() {
  if (far_) return reap_far();
  int status = 0;
  if (child_ < 0 || ::waitpid(child_, &status, WNOHANG) != child_) return std::nullopt;
  child_ = -1;
  return status;
}

std::optional<int> ShellCommand::wait(const Waker& waker, Duration limit) {
  const TimePoint end = std::chrono::steady_clock::now() + limit;
  for (;;) {
    const Duration left = end - std::chrono::steady_clock::now();
    const Wake wake = wait_for(descriptor(), POLLIN, waker,
                               descriptor() >= 0 ? left : std::min(left, look_interval));
    if (wake == Wake::woken) return std::nullopt;
    const auto status = reap();
    if (status || left <= Duration::zero()) return status;
  }
}

// Comes back once nothing is left of it, as far as the monitor lives and is well.
void ShellCommand::terminate_far() noexcept {
  ::shutdown(far_.get(), SHUT_WR);
  const TimePoint end = std::chrono::steady_clock::now() + 2 * grace;
  for (;;) {
    const auto left = (end - std::chrono::steady_clock::now()) / 1ms;
    pollfd state{far_.get(), POLLIN, 0};
    if (left <= 0 || ::poll(&state, 1, static_cast<int>(left)) <= 0) break;
    int status = 0;
    if (::recv(far_.get(), &status, sizeof status, MSG_DONTWAIT) <= 0 && errno != EINTR) break;
  }
  far_.reset();
  guard_ = -1;
}

void ShellCommand::terminate() noexcept {
  if (far_) return terminate_far();
  if (guard_ < 0) return;
  if (child_ >= 0) {
    ::kill(-guard_, SIGTERM);
    const TimePoint end = std::chrono::steady_clock::now() + grace;
    while (!reap() && std::chrono::steady_clock::now() < end) {
      pollfd state{ended_.get(), POLLIN, 0};
      ::poll(&state, 1, static_cast<int>(look_interval / 1ms));
    }
  }
  ::kill(-guard_, SIGKILL);
  if (child_ >= 0) ::waitpid(child_, nullptr, 0);
  ::waitpid(guard_, nullptr, 0);
  child_ = guard_ = -1;
  ended_.reset();
  guarded_.reset();
}

void ShellCommand::leave() noexcept {
  if (far_) {
    (void)::send(far_.get(), &ShellLink::leave, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    far_.reset();
    guard_ = -1;
    return;
  }
  if (guard_ < 0) return;
  ::kill(guard_, SIGKILL);
  ::waitpid(guard_, nullptr, 0);
  child_ = guard_ = -1;
  ended_.reset();
  guarded_.reset();
}

std::string program_of(const std::string& command) {
  // A word without anything that the shell would make something else of.
  const std::size_t begin = std::min(command.find_first_not_of(" \t"), command.size());
  const std::size_t end = std::min(command.find_first_of(" \t\n;&|<>", begin), command.size());
  std::string word = command.substr(begin, end - begin);
  const std::size_t next = command.find_first_not_of(" \t", end);
  const bool defines = next != std::string::npos && command[next] == '(';
  const bool redirects = end < command.size() && (command[end] == '<' || command[end] == '>') &&
                         word.find_first_not_of("0123456789") == std::string::npos;
  if (defines || redirects) return "";
  if (word.empty() || word.find_first_of("$`'\"\\*?[](){}=#!~") != std::string::npos) return "";
  return word;
}

std::string missing_program(const std::string& command) {
  const std::string word = program_of(command);
  if (word.empty()) return "";
  if (word.find('/') != std::string::npos) {
    return ::access(word.c_str(), X_OK) == 0 ? "" : with_errno("cannot run " + word, errno);
  }
  // The shell's own words are no programs; it says of a word what it would run.
  const std::string question = "command -v " + word + " >/dev/null 2>&1";
  // NOLINTNEXTLINE(concurrency-mt-unsafe): it touches no signal that others wait for
  const bool found = std::system(question.c_str()) == 0;
  return found ? "" : "cannot run " + word + ": no such program";
}

std::string describe_wait_status(int status) {
  return WIFSIGNALED(status) ? fmt::format("died of signal {}", WTERMSIG(status))
                             : fmt::format("ended with status {}", WEXITSTATUS(status));
}

}  // namespace qanat
