#include "monitor/desk.h"

#include <fcntl.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/secret.h"
#include "base/socket_port.h"
#include "machine/kernel_random.h"

namespace qanat::monitor {

Desk::Desk(const Grants& grants, Acts acts, TimePoint now) : acts_(std::move(acts)), filled_(now) {
  set(grants);
}

void Desk::set(const Grants& grants) {
  // As a whole or not at all: there may be no memory.
  std::map<GrantId, std::string> granted;
  const auto add = [&granted](GrantKind kind, const std::vector<std::string>& texts) {
    for (const std::string& text : texts) granted[grant_id(kind, text)] = text;
  };
  add(GrantKind::read, grants.readable);
  add(GrantKind::read, grants.writable);
  add(GrantKind::write, grants.writable);
  add(GrantKind::command, grants.commands);
  ports_ = grants.ports;
  granted_.swap(granted);
}

Desk::Reply Desk::answer(Bytes request, UniqueFd passed, TimePoint now) noexcept {
  Reply reply;
  // What is passed is closed here: nobody waits then for what a socket's peer does not take.
  constexpr linger no_longer{};
  if (passed) (void)::setsockopt(passed.get(), SOL_SOCKET, SO_LINGER, &no_longer, sizeof no_longer);
  reply.answer.problem = EBADMSG;
  if (request.size() != sizeof(Request)) return reply;
  Request asked;
  std::memcpy(static_cast<void*>(&asked), request.data(), sizeof asked);
  if (asked.size > Request::most_body) return reply;
  try {
    act_on(asked, std::move(passed), now, reply);
  } catch (const std::exception&) {
    reply.answer.problem = ENOMEM;
    reply.fd.reset();
  }
  wipe(asked.body);
  return reply;
}

void Desk::act_on(const Request& asked, UniqueFd passed, TimePoint now, Reply& reply) {
  int& problem = reply.answer.problem;
  switch (asked.kind) {
    case Kind::open:
      problem = open(asked, reply.fd);
      break;
    case Kind::bind:
      problem = bind(asked, passed);
      break;
    case Kind::add_to_kernel:
      problem = add_to_kernel(asked, now);
      break;
    case Kind::start:
      problem = start(asked, std::move(passed), reply);
      break;
    case Kind::find_holder:
      problem = find_holder(asked, reply.answer);
      break;
    case Kind::reload:
      problem = reload(reply.answer);
      break;
  }
}

int Desk::open(const Request& request, UniqueFd& opened) const {
  const int flags = static_cast<int>(request.first);
  if ((flags & ~(O_ACCMODE | O_NONBLOCK)) != 0) return EINVAL;
  const bool reads = (flags & O_ACCMODE) == O_RDONLY;
  const auto found = granted_.find(request.grant);
  // An id tells its kind: who asks to write with that of a file that is read is not found.
  if (found == granted_.end() ||
      request.grant != grant_id(reads ? GrantKind::read : GrantKind::write, found->second)) {
    return EACCES;
  }
  auto fd = acts_.open(found->second, flags | O_NONBLOCK);
  if (!fd) return fd.error();
  opened = std::move(*fd);
  // It waited for nobody here: the node may want to.
  if ((flags & O_NONBLOCK) == 0) {
    ::fcntl(opened.get(), F_SETFL, ::fcntl(opened.get(), F_GETFL) & ~O_NONBLOCK);
  }
  return 0;
}

int Desk::bind(const Request& request, const UniqueFd& socket) const {
  const Bytes name = request.used();
  sockaddr_storage copy{};
  if (name.size() > sizeof copy || !socket) return EINVAL;
  std::memcpy(&copy, name.data(), name.size());
  const auto port = port_of(copy, name.size());
  if (!port) return EINVAL;
  if (std::find(ports_.begin(), ports_.end(), *port) == ports_.end()) return EACCES;
  return acts_.bind(socket.get(), reinterpret_cast<const sockaddr*>(&copy),
                    static_cast<socklen_t>(name.size()));
}

int Desk::add_to_kernel(const Request& request, TimePoint now) {
  const Bytes all = request.used();
  if (request.second > all.size()) return EINVAL;
  const Bytes bytes = all.first(all.size() - request.second);
  const Bytes local = all.last(request.second);
  if (bytes.size() > machine::most_kernel_bytes || local.size() > machine::most_kernel_local ||
      request.first > bytes.size()) {
    return EINVAL;
  }
  const auto passed = std::chrono::duration_cast<std::chrono::milliseconds>(now - filled_);
  constexpr std::chrono::milliseconds minute = std::chrono::minutes(1);
  if (passed.count() > 0) {
    const auto part = static_cast<std::uint64_t>(std::min(passed, minute).count());
    bits_left_ =
        std::min(kernel_bits_a_minute, bits_left_ + kernel_bits_a_minute * part /
                                                        static_cast<std::uint64_t>(minute.count()));
    filled_ += passed;
  }
  const std::uint64_t bits = std::uint64_t{8} * request.first;
  if (bits > bits_left_) return EDQUOT;
  bits_left_ -= bits;
  return acts_.add_to_kernel(bytes, request.first, local);
}

int Desk::start(const Request& request, UniqueFd output, Reply& reply) const {
  const auto found = granted_.find(request.grant);
  if (found == granted_.end() || request.grant != grant_id(GrantKind::command, found->second)) {
    return EACCES;
  }
  const auto variables = read_variables(request.used());
  if (!variables) return EINVAL;
  auto started = acts_.start(found->second, std::move(output), *variables);
  if (!started) {
    reply.answer.say(started.error().message);
    return ECHILD;
  }
  reply.answer.process = started->group;
  reply.fd = std::move(started->link);
  return 0;
}

// /dev/random and /dev/urandom, which a command may read, and devices that are named.
bool Desk::knows(dev_t device) const {
  if (device == makedev(1, 8) || device == makedev(1, 9)) return true;
  return std::any_of(granted_.begin(), granted_.end(), [this, device](const auto& grant) {
    return acts_.device_at(grant.second) == device;
  });
}

int Desk::find_holder(const Request& request, Answer& answer) const {
  const Bytes body = request.used();
  std::array<dev_t, 8> numbers{};
  if (body.empty() || body.size() % sizeof numbers[0] != 0 || body.size() > sizeof numbers) {
    return EINVAL;
  }
  std::memcpy(numbers.data(), body.data(), body.size());
  const auto devices = std::span(numbers).first(body.size() / sizeof numbers[0]);
  for (const dev_t device : devices) {
    if (!knows(device)) return EACCES;
  }
  const auto holder = acts_.find_holder(devices, static_cast<pid_t>(request.first));
  if (!holder) return ESRCH;
  answer.process = holder->process;
  answer.say(holder->name);
  return 0;
}

int Desk::reload(Answer& answer) {
  try {
    set(acts_.reread());
    return 0;
  } catch (const std::exception& problem) {
    answer.say(problem.what());
    return EINVAL;
  }
}

}  // namespace qanat::monitor
