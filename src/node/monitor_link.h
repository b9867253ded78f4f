// The node's end of the line to its monitor (monitor/monitor.h).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "base/powers.h"
#include "monitor/desk.h"

namespace qanat::node {

class MonitorLink final : public Powers {
 public:
  // Forks: the child is the monitor, with all that this process may do, until the parent ends.
  // Before there are threads, by whoever then gives up its powers. `reread` is called in the child.
  // Throws Failure.
  static std::unique_ptr<MonitorLink> start(const monitor::Grants& grants,
                                            std::function<monitor::Grants()> reread);
  ~MonitorLink() override;

  tl::expected<UniqueFd, int> open(const std::string& path, int flags) override;
  int bind(int socket, const sockaddr* name, socklen_t size) override;
  int add_to_kernel(Bytes bytes, std::size_t credited, Bytes local) override;
  Result<Started> start(const std::string& command, int output,
                        const std::vector<std::pair<std::string, std::string>>& variables) override;
  std::optional<Holder> find_holder(std::span<const dev_t> devices, pid_t group) override;

  // The monitor reads the configuration again: what it names may be asked for from now on.
  Result<void> reload();
  pid_t process() const { return process_; }
  // Reaps children that have ended: as process 1 of a container, everybody's. True once, when the
  // monitor is one of them, or has not answered in time: then nobody waits for it again, and
  // SIGCHLD tells of that, too. By one thread.
  bool is_lost() EXCLUDES(mutex_);

 private:
  struct Reply {
    monitor::Answer answer;
    UniqueFd fd;
  };

  MonitorLink(pid_t process, UniqueFd socket) : process_(process), socket_(std::move(socket)) {}
  Reply ask(const monitor::Request& request, int descriptor) EXCLUDES(mutex_);

  const pid_t process_;
  Mutex mutex_;                         // one question at a time
  UniqueFd socket_ GUARDED_BY(mutex_);  // none once it is lost
  bool told_ = false;
};

}  // namespace qanat::node
