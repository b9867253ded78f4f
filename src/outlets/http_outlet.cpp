#include "outlets/http_outlet.h"

#include <fmt/core.h>
#include <unistd.h>

#include <boost/asio/post.hpp>

#include "net/io_threads.h"
#include "net/listen.h"
#include "outlets/http_worker.h"

namespace qanat::outlets {

HttpOutlet::HttpOutlet(HttpSettings settings, const OutletServices& services)
    : settings_(std::move(settings)),
      services_(services),
      visitors_(services.dispenser, settings_.name, settings_.terms) {}

HttpOutlet::~HttpOutlet() { stop(); }

void HttpOutlet::start() {
  if (settings_.tls) {
    net::ServerTls identity = services_.identity();
    SecretBytes own_key;
    if (settings_.certificate_file) {
      auto certificate = read_file(*settings_.certificate_file);
      if (!certificate) throw Failure(settings_.name + ": " + certificate.error().message);
      auto key = read_secret_file(settings_.key_file.value_or(*settings_.certificate_file));
      if (!key) throw Failure(settings_.name + ": " + key.error().message);
      own_key = std::move(*key);
      identity.certificate_pem = *certificate;
      identity.key_pem = own_key.view();
    }
    identity.client_ca = settings_.ca_file;
    // A missing certificate is answered 401 with a reason rather than by a TLS alert.
    tls_ = net::make_server_context(identity);
  }
  // A UNIX socket has no SO_REUSEPORT: the first thread serves it.
  const bool local = !settings_.unix_path.empty();
  const std::size_t count = local ? 1 : services_.threads.size();
  for (std::size_t i = 0; i < count; ++i) {
    UniqueFd listener =
        local ? net::listen_unix(settings_.unix_path, 0600) : net::listen_tcp(settings_.address);
    if (!local) settings_.address.port = net::local_port(listener.get());
    workers_.push_back(std::make_unique<HttpWorker>(settings_, services_, visitors_,
                                                    services_.threads.context(i), i, tls_.get(),
                                                    std::move(listener)));
  }
  for_each_worker([](HttpWorker& worker) { worker.start(); });
  address_text_ = local ? settings_.unix_path : settings_.address.text();
}

void HttpOutlet::for_each_worker(const std::function<void(HttpWorker&)>& work) {
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    services_.threads.run_on(i, [&] { work(*workers_[i]); });
  }
}

void HttpOutlet::drain() {
  for_each_worker([](HttpWorker& worker) { worker.drain(); });
}

bool HttpOutlet::idle() const { return report().connections == 0; }

void HttpOutlet::stop() {
  if (workers_.empty()) return;
  drain();
  // Cancelled operations complete on the threads; then their coroutines have ended.
  while (!idle()) for_each_worker([](HttpWorker& worker) { worker.close_all(); });
  // The accept loops and sweeps end in the same way.
  for_each_worker([](HttpWorker& worker) { worker.close_all(); });
  bool resting = false;
  while (!resting) {
    resting = true;
    for_each_worker([&](HttpWorker& worker) { resting = resting && worker.at_rest(); });
  }
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    services_.threads.run_on(i, [&] { workers_[i].reset(); });
  }
  workers_.clear();
  if (!settings_.unix_path.empty()) ::unlink(settings_.unix_path.c_str());
}

void HttpOutlet::close_of(const std::shared_ptr<share::Client>& client) {
  // Posted, not awaited: the control socket revokes from an I/O thread. A worker ends on its own
  // thread, after what was posted there before.
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    boost::asio::post(services_.threads.context(i),
                      [worker = workers_[i].get(), client] { worker->close_of(*client); });
  }
}

OutletReport HttpOutlet::report() const {
  OutletReport report{.name = settings_.name,
                      .detail = fmt::format("listening on {}", address_text_),
                      .problem = {},
                      .refused = {}};
  for (const auto& worker : workers_) {
    const HttpCounters& c = worker->counters();
    report.connections += c.connections;
    report.deliveries += c.deliveries;
    report.full_bytes += c.full_bytes;
    report.drbg_bytes += c.drbg_bytes;
    for (const auto& [reason, count] : {
             std::pair{"handshake", &c.handshake_failed},
             std::pair{"timeout", &c.timed_out},
             std::pair{"connections", &c.too_many},
             std::pair{"malformed", &c.malformed},
             std::pair{"unauthorised", &c.unauthorised},
             std::pair{"too_large", &c.too_large},
             std::pair{"over_share", &c.over_share},
             std::pair{"unavailable", &c.unavailable},
             std::pair{"undelivered_bytes", &c.undelivered},
         }) {
      report.refused[reason] += *count;
    }
  }
  return report;
}

}  // namespace qanat::outlets
