// Outlets that are asked over connections: listening sockets on each thread.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/file_id.h"
#include "base/files.h"
#include "serve/limits.h"
#include "serve/outlet.h"
#include "serve/stream_settings.h"
#include "share/visitors.h"
#include "spec/address.h"
#include "spec/grade.h"

namespace qanat::serve {

class StreamWorker;

// What a protocol's outlet derives from: `start` calls `listen`, and the destructor `stop`, as
// workers use what the derived class holds.
class StreamOutlet : public Outlet {
 public:
  void drain() override;
  bool idle() const override;
  void stop() override;
  void set_limits(const Limits& limits) override;
  observe::OutletReport report() const override;
  void close_of(const std::shared_ptr<share::Client>& client) override;

  // Where it listens; the real port when 0 was asked for. Empty before start.
  std::string address_text() const { return address_text_; }
  // Whether its UNIX socket is still the one at its path.
  bool in_place() const { return at_.unix_path.empty() || file_id(at_.unix_path) == unix_file_; }

 protected:
  // `terms`: of those who have no name.
  StreamOutlet(std::string name, StreamAddress at, const share::Terms& terms,
               const OutletServices& services);

  void listen();
  // On the thread that starts the outlet.
  virtual std::unique_ptr<StreamWorker> make_worker(std::size_t slot, UniqueFd listener) = 0;

  const OutletServices& services() const { return services_; }
  share::Visitors& visitors() { return visitors_; }

 private:
  void for_each_worker(const std::function<void(StreamWorker&)>& work);

  const std::string name_;
  StreamAddress at_;
  const OutletServices& services_;
  share::Visitors visitors_;
  std::vector<std::unique_ptr<StreamWorker>> workers_;  // one for each socket
  std::string address_text_;
  std::atomic<bool> stuck_{false};   // a stop has given up waiting
  std::optional<FileId> unix_file_;  // that we made
};

}  // namespace qanat::serve
