#include "outlets/http_outlet.h"

#include "net/io_threads.h"
#include "outlets/http_worker.h"

namespace qanat::outlets {

HttpOutlet::HttpOutlet(HttpSettings settings, const OutletServices& services)
    : StreamOutlet(settings.name, {settings.unix_path, 0600, "", settings.address}, settings.terms,
                   services),
      settings_(std::move(settings)) {}

HttpOutlet::~HttpOutlet() { stop(); }

void HttpOutlet::start() {
  if (settings_.tls) {
    net::ServerTls identity = services().identity();
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
  listen();
}

std::unique_ptr<StreamWorker> HttpOutlet::make_worker(std::size_t slot, UniqueFd listener) {
  return std::make_unique<HttpWorker>(settings_, services(), visitors(),
                                      services().threads.context(slot), slot, tls_.get(),
                                      std::move(listener));
}

}  // namespace qanat::outlets
