#include "monitor/monitor.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <list>
#include <memory>
#include <thread>

#include "base/message_socket.h"
#include "base/secret.h"
#include "base/shell_command.h"
#include "base/trusted_path.h"
#include "machine/kernel_random.h"

namespace qanat::monitor {
namespace {

// More at once is a mistake, or somebody else's code in the node's place.
constexpr std::size_t most_jobs = 256;
// Where the kernel does not tell of a child's end (Linux before 5.3); and of the node's.
constexpr int look_interval_ms = 20;
constexpr int node_look_ms = 1000;

// A command, and the link over which the node is told of it.
struct Job {
  std::unique_ptr<ShellCommand> command = std::make_unique<ShellCommand>();
  UniqueFd link;
  bool ended = false;
};

class Jobs {
 public:
  Result<Powers::Started> start(const std::string& command, const UniqueFd& output,
                                const Variables& variables) {
    if (jobs_.size() + ending_.size() >= most_jobs) {
      return error("too many commands run at once (256)");
    }
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
      return error(with_errno("cannot make a socket pair", errno));
    }
    Job job;
    job.link = UniqueFd(ends[0]);
    UniqueFd theirs(ends[1]);
    if (auto started = job.command->start(command, output.get(), variables); !started) {
      return tl::unexpected(started.error());
    }
    const pid_t group = job.command->group();
    jobs_.push_back(std::move(job));
    return Powers::Started{group, std::move(theirs)};
  }

  // Sleeps until something has happened, and does what follows for the commands; true when `node`
  // has something to say.
  bool wait_beside(int node) {
    // Waiting takes no memory, of which there may be none.
    std::array<pollfd, 1 + 2 * most_jobs> waits{};
    std::size_t count = 0;
    int limit_ms = node_look_ms;
    waits[count++] = {node, POLLIN, 0};
    for (const Job& job : jobs_) {
      waits[count++] = {job.link.get(), POLLIN, 0};
      if (job.ended) continue;
      waits[count++] = {job.command->descriptor(), POLLIN, 0};
      if (job.command->descriptor() < 0) limit_ms = look_interval_ms;
    }
    ::poll(waits.data(), count, limit_ms);
    for (auto at = jobs_.begin(); at != jobs_.end();) {
      bool over = true;
      try {
        over = is_over(*at);
      } catch (const std::exception&) {
        // Without memory: what was not handed on is looked at again.
        over = at->command == nullptr;
      }
      at = over ? jobs_.erase(at) : std::next(at);
    }
    std::erase_if(ending_, [](const Ending& ending) { return ending.done->load(); });
    return waits[0].revents != 0;
  }

  // All of them, side by side: each has half a second.
  void end_all() {
    for (Job& job : jobs_) end(std::move(job));
    jobs_.clear();
    ending_.clear();
  }

 private:
  // Ends a command, which may take half a second, and then the link.
  struct Ending {
    std::shared_ptr<std::atomic<bool>> done;
    std::jthread thread;
  };

  void end(Job job) {
    const auto held = std::make_shared<Job>(std::move(job));
    const auto done = std::make_shared<std::atomic<bool>>(false);
    const auto work = [held, done] {
      held->command->terminate();
      held->link.reset();
      done->store(true);
    };
    try {
      ending_.push_back({done, std::jthread(work)});
    } catch (const std::exception&) {
      work();  // without a thread all others wait for it
    }
  }

  bool is_over(Job& job) {
    if (!job.ended) {
      if (const auto status = job.command->wait(never_, Duration::zero())) {
        job.ended = true;
        (void)::send(job.link.get(), &*status, sizeof *status, MSG_NOSIGNAL | MSG_DONTWAIT);
      }
    }
    char word = 0;
    const ssize_t n = ::recv(job.link.get(), &word, 1, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    // What still runs is not left: it would be counted no more.
    if (n == 1 && word == ShellLink::leave && job.ended) {
      job.command->leave();
    } else {
      end(std::move(job));
    }
    return true;
  }

  const Waker never_;
  std::list<Job> jobs_;
  std::list<Ending> ending_;
};

void serve(const UniqueFd& node, const Grants& grants, std::function<Grants()> reread) {
  Jobs jobs;
  const pid_t node_process = ::getppid();
  const Clock clock;
  Desk desk(
      grants,
      {.open = open_trusted,
       .bind = [](int socket, const sockaddr* name,
                  socklen_t size) { return ::bind(socket, name, size) == 0 ? 0 : errno; },
       .add_to_kernel = machine::add_to_kernels_pool,
       .start = [&jobs](
                    const std::string& command, const UniqueFd& output,
                    const Variables& variables) { return jobs.start(command, output, variables); },
       .find_holder = [node_process](
                          std::span<const dev_t> devices,
                          pid_t group) { return qanat::find_holder(devices, group, node_process); },
       .device_at = device_at,
       .reread = std::move(reread)},
      clock.now());
  const auto request = std::make_unique<WipedArray<sizeof(Request) + 1>>();
  for (;;) {
    const bool asked = jobs.wait_beside(node.get());
    if (::getppid() != node_process) break;  // another process may have its end of the socket
    if (!asked) continue;
    // One that a descriptor or a file keeps waiting for 30 s ends this process; the node is told.
    ::alarm(30);
    UniqueFd passed;
    const ssize_t size = receive_message(node.get(), request->view(), passed);
    if (size == 0 || (size < 0 && errno != EMSGSIZE)) break;
    const Bytes whole = request->view().first(size < 0 ? 0 : static_cast<std::size_t>(size));
    const Desk::Reply reply = desk.answer(whole, std::move(passed), clock.now());
    const Bytes answer(reinterpret_cast<const std::uint8_t*>(&reply.answer), sizeof reply.answer);
    // Who asks and does not listen is not waited for: its commands would wait, too.
    if (!send_message(node.get(), answer, reply.fd.get(), false)) break;
    ::alarm(0);
  }
  jobs.end_all();
}

}  // namespace

void run(UniqueFd node, const Grants& grants, std::function<Grants()> reread) noexcept {
  // What a service manager or a terminal sends to all processes stays blocked: the node is told.
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGALRM, SIG_DFL);
  ::prctl(PR_SET_DUMPABLE, 0);
  try {
    serve(node, grants, std::move(reread));
  } catch (const std::exception& problem) {
    ::dprintf(STDERR_FILENO, "qanat-monitor: %s\n", problem.what());
  }
}

}  // namespace qanat::monitor
