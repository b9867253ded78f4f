// What the monitor does for the node, and what not. No I/O of its own: `Acts` are its hands.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/powers.h"
#include "monitor/messages.h"

namespace qanat::monitor {

// What a configuration names. Ports: below 1024, as others take no power.
struct Grants {
  std::vector<std::string> readable;
  std::vector<std::string> writable;  // and readable: devices, FIFOs
  std::vector<std::string> commands;
  std::vector<std::uint16_t> ports;
};

struct Acts {
  std::function<tl::expected<UniqueFd, int>(const std::string& path, int flags)> open;
  std::function<int(int socket, const sockaddr* name, socklen_t size)> bind;
  std::function<int(Bytes bytes, std::size_t credited, Bytes local)> add_to_kernel;
  std::function<Result<Powers::Started>(const std::string& command, UniqueFd output,
                                        const Variables& variables)>
      start;
  std::function<std::optional<Holder>(std::span<const dev_t> devices, pid_t group)> find_holder;
  // The number of the device at a path; nullopt: there is none.
  std::function<std::optional<dev_t>(const std::string& path)> device_at;
  // Of the configuration as it is now; throws when it is not valid.
  std::function<Grants()> reread;
};

// Used by one thread.
class Desk {
 public:
  // Credited at most. No schedule asks for more than half of it, a feed of 512 bytes a second; the
  // rest is for what resumes and signals add.
  static constexpr std::uint64_t kernel_bits_a_minute = 2 * 60 * 512 * 8;

  Desk(const Grants& grants, Acts acts, TimePoint now);

  struct Reply {
    Answer answer;
    UniqueFd fd;
  };
  // `request`: what came; `passed`: the descriptor that came with it, or none. Whatever comes is
  // answered: EBADMSG for what is no request, EACCES for what nothing names, ENOMEM.
  Reply answer(Bytes request, UniqueFd passed, TimePoint now) noexcept;

 private:
  void set(const Grants& grants);
  void act_on(const Request& asked, UniqueFd passed, TimePoint now, Reply& reply);
  int open(const Request& request, UniqueFd& opened) const;
  int bind(const Request& request, const UniqueFd& socket) const;
  int add_to_kernel(const Request& request, TimePoint now);
  int start(const Request& request, UniqueFd output, Reply& reply) const;
  int find_holder(const Request& request, Answer& answer) const;
  int reload(Answer& answer);
  bool knows(dev_t device) const;

  const Acts acts_;
  std::map<GrantId, std::string> granted_;
  std::vector<std::uint16_t> ports_;
  std::uint64_t bits_left_ = kernel_bits_a_minute;
  TimePoint filled_;
};

}  // namespace qanat::monitor
