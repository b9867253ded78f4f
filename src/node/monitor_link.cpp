#include "node/monitor_link.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/message_socket.h"
#include "base/secret.h"
#include "monitor/monitor.h"

namespace qanat::node {

using monitor::Answer;
using monitor::grant_id;
using monitor::GrantKind;
using monitor::Request;

namespace {

// The slowest answer is that to a reload; a monitor that says nothing for so long is stopped, or
// stuck in a device, and who waits for it can go on without.
constexpr int most_wait_ms = 5000;

template <typename T>
Bytes bytes_of(const T& message) {
  static_assert(std::is_trivially_copyable_v<T>);
  return {reinterpret_cast<const std::uint8_t*>(&message), sizeof message};
}

}  // namespace

std::unique_ptr<MonitorLink> MonitorLink::start(const monitor::Grants& grants,
                                                std::function<monitor::Grants()> reread) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    throw Failure(with_errno("cannot make a socket pair for the monitor", errno));
  }
  UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) throw Failure(with_errno("cannot start the monitor", errno));
  if (child == 0) {
    ours.reset();
    ::prctl(PR_SET_NAME, "qanat-monitor");
    monitor::run(std::move(theirs), grants, std::move(reread));
    ::_exit(0);
  }
  return std::unique_ptr<MonitorLink>(new MonitorLink(child, std::move(ours)));
}

MonitorLink::~MonitorLink() {
  if (powers() == this) set_powers(nullptr);
  // It ends by itself when it sees that: a short-lived feed does not wait for that.
  const MutexLock lock(mutex_);
  socket_.reset();
}

bool MonitorLink::is_lost() {
  bool ended = false;
  for (pid_t child = 0; (child = ::waitpid(-1, nullptr, WNOHANG)) > 0;) {
    ended = ended || child == process_;
  }
  const MutexLock lock(mutex_);
  if (ended) socket_.reset();
  return !socket_ && !std::exchange(told_, true);
}

MonitorLink::Reply MonitorLink::ask(const Request& request, int descriptor) {
  const MutexLock lock(mutex_);
  Reply reply;
  reply.answer.problem = EPIPE;
  if (!socket_ || !send_message(socket_.get(), bytes_of(request), descriptor)) return reply;
  pollfd state{socket_.get(), POLLIN, 0};
  int ready = 0;
  do {
    ready = ::poll(&state, 1, most_wait_ms);
  } while (ready < 0 && errno == EINTR);
  Answer answer;
  const MutableBytes room(reinterpret_cast<std::uint8_t*>(&answer), sizeof answer);
  if (ready != 1 || receive_message(socket_.get(), room, reply.fd) != sizeof answer) {
    // What it may answer later must not be taken for the answer to another question.
    socket_.reset();
    ::kill(::getpid(), SIGCHLD);
    return reply;
  }
  answer.text.back() = '\0';
  reply.answer = answer;
  return reply;
}

tl::expected<UniqueFd, int> MonitorLink::open(const std::string& path, int flags) {
  Request request{.kind = monitor::Kind::open, .first = static_cast<std::uint32_t>(flags)};
  const bool reads = (flags & O_ACCMODE) == O_RDONLY;
  request.grant = grant_id(reads ? GrantKind::read : GrantKind::write, path);
  Reply reply = ask(request, -1);
  if (reply.answer.problem != 0) return tl::unexpected(reply.answer.problem);
  if (!reply.fd) return tl::unexpected(EMFILE);  // no place for it here
  return std::move(reply.fd);
}

int MonitorLink::bind(int socket, const sockaddr* name, socklen_t size) {
  Request request{.kind = monitor::Kind::bind, .size = size};
  if (size > request.body.size()) return EINVAL;
  std::memcpy(request.body.data(), name, size);
  return ask(request, socket).answer.problem;
}

int MonitorLink::add_to_kernel(Bytes bytes, std::size_t credited, Bytes local) {
  Request request{.kind = monitor::Kind::add_to_kernel,
                  .first = static_cast<std::uint32_t>(credited),
                  .second = static_cast<std::uint32_t>(local.size()),
                  .size = static_cast<std::uint32_t>(bytes.size() + local.size())};
  if (request.size > request.body.size()) return EMSGSIZE;
  std::copy(bytes.begin(), bytes.end(), request.body.begin());
  std::copy(local.begin(), local.end(), request.body.data() + bytes.size());
  const int problem = ask(request, -1).answer.problem;
  wipe(request.body);
  return problem;
}

Result<Powers::Started> MonitorLink::start(
    const std::string& command, int output,
    const std::vector<std::pair<std::string, std::string>>& variables) {
  Request request{.kind = monitor::Kind::start, .grant = grant_id(GrantKind::command, command)};
  if (!monitor::write_variables(variables, request)) {
    return error("cannot start the command: what it is to be told is too long");
  }
  Reply reply = ask(request, output);
  const Answer& answer = reply.answer;
  if (answer.problem == ECHILD) return error(answer.said());
  if (answer.problem == EACCES) {
    return error("cannot start the command: the configuration does not name it");
  }
  if (answer.problem != 0) return error(with_errno("cannot start the command", answer.problem));
  if (!reply.fd) return error("cannot start the command: no descriptor is left");
  return Started{answer.process, std::move(reply.fd)};
}

std::optional<Holder> MonitorLink::find_holder(std::span<const dev_t> devices, pid_t group) {
  Request request{.kind = monitor::Kind::find_holder, .first = static_cast<std::uint32_t>(group)};
  for (const std::uint64_t device : devices) {
    if (request.size + sizeof device > request.body.size()) break;
    std::memcpy(request.body.data() + request.size, &device, sizeof device);
    request.size += sizeof device;
  }
  const Answer answer = ask(request, -1).answer;
  if (answer.problem != 0) return std::nullopt;
  return Holder{answer.process, answer.said()};
}

Result<void> MonitorLink::reload() {
  const Answer answer = ask({.kind = monitor::Kind::reload}, -1).answer;
  if (answer.problem == 0) return {};
  return error(answer.problem == EPIPE ? "the monitor is gone" : answer.said());
}

}  // namespace qanat::node
