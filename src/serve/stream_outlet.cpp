#include "serve/stream_outlet.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>

#include "net/io_threads.h"
#include "net/listen.h"
#include "serve/stream_worker.h"

namespace qanat::serve {

StreamOutlet::StreamOutlet(std::string name, StreamAddress at, const share::Terms& terms,
                           const OutletServices& services)
    : name_(std::move(name)),
      at_(std::move(at)),
      services_(services),
      visitors_(services.dispenser, name_, terms) {}

void StreamOutlet::listen() {
  // UNIX sockets and vsock have no SO_REUSEPORT: the first thread serves them.
  const bool tcp = at_.unix_path.empty() && at_.vsock_port == 0;
  net::Listeners listeners(1);
  if (tcp) {
    listeners = net::listen_tcp(at_.address, services_.threads.size());
    at_.address.port = net::local_port(listeners[0][0].get());
  } else if (at_.vsock_port != 0) {
    listeners[0].push_back(net::listen_vsock(at_.vsock_port));
  } else {
    listeners[0].push_back(net::listen_unix(at_.unix_path, at_.unix_mode, &unix_file_));
  }
  if (!at_.unix_group.empty()) net::give_to_group(at_.unix_path, at_.unix_group);
  for (std::size_t i = 0; i < listeners.size(); ++i) {
    for (UniqueFd& listener : listeners[i]) {
      workers_.push_back(make_worker(i, std::move(listener)));
    }
  }
  for_each_worker([](StreamWorker& worker) { worker.start(); });
  address_text_ = at_.text();
}

void StreamOutlet::for_each_worker(const std::function<void(StreamWorker&)>& work) {
  for (const auto& worker : workers_) {
    services_.threads.run_on(worker->slot(), [&] { work(*worker); });
  }
}

void StreamOutlet::drain() {
  for_each_worker([](StreamWorker& worker) { worker.drain(); });
}

bool StreamOutlet::idle() const {
  return !stuck_ && std::all_of(workers_.begin(), workers_.end(), [](const auto& worker) {
    return worker->counters().connections == 0;
  });
}

void StreamOutlet::stop() {
  if (workers_.empty()) return;
  drain();
  // Cancelled operations complete on the threads; then the coroutines of connections, accept loops
  // and sweeps have ended.
  const bool ended = await_rest(services_.clock, [this] {
    bool resting = true;
    for_each_worker([&](StreamWorker& worker) {
      worker.close_all();
      resting = resting && worker.at_rest();
    });
    return resting;
  });
  if (!ended) {
    stuck_ = true;
    services_.on_event(name_, "a connection does not end; left behind", EventKind::warning);
    return;
  }
  while (!workers_.empty()) {
    services_.threads.run_on(workers_.back()->slot(), [this] { workers_.back().reset(); });
    workers_.pop_back();
  }
  if (!at_.unix_path.empty()) net::remove_unix(at_.unix_path, unix_file_);
}

void StreamOutlet::set_limits(const Limits& limits) {
  for_each_worker([&](StreamWorker& worker) { worker.set_limits(limits); });
}

void StreamOutlet::close_of(const std::shared_ptr<share::Client>& client) {
  // Posted, not awaited: the control socket revokes from an I/O thread. A worker ends on its own
  // thread, after what was posted there before.
  for (const auto& worker : workers_) {
    boost::asio::post(services_.threads.context(worker->slot()),
                      [worker = worker.get(), client] { worker->close_of(*client); });
  }
}

observe::OutletReport StreamOutlet::report() const {
  observe::OutletReport report{.name = name_,
                               .detail = fmt::format("listening on {}", address_text_),
                               .problem = {},
                               .listening = true,
                               .refused = {}};
  for (const auto& worker : workers_) {
    const StreamCounters& c = worker->counters();
    report.connections += c.connections;
    report.deliveries += c.deliveries;
    report.full_bytes += c.full_bytes;
    report.drbg_bytes += c.drbg_bytes;
    report.waiting += c.waiting;
    report.latency += c.latency.counts();
    for (const auto& [reason, count] : {
             std::pair{"handshake", &c.handshake_failed},
             std::pair{"timeout", &c.timed_out},
             std::pair{"connections", &c.too_many},
             std::pair{"peer_connections", &c.peer_too_many},
             std::pair{"client_connections", &c.client_too_many},
             std::pair{"displaced", &c.displaced},
             std::pair{"malformed", &c.malformed},
             std::pair{"unauthorised", &c.unauthorised},
             std::pair{"too_large", &c.too_large},
             std::pair{"over_share", &c.over_share},
             std::pair{"documents", &c.documents},
             std::pair{"sessions", &c.sessions},
             std::pair{"web_page", &c.web_page},
             std::pair{"unavailable", &c.unavailable},
             std::pair{"not_wanted", &c.not_wanted},
             std::pair{"undelivered_bytes", &c.undelivered},
         }) {
      report.refused[reason] += *count;
    }
  }
  return report;
}

}  // namespace qanat::serve
