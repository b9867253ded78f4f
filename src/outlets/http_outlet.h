// HTTP and HTTPS, and the control socket of the node.
#pragma once

#include "crypto/openssl.h"
#include "outlets/http_settings.h"
#include "outlets/stream_outlet.h"

namespace qanat::outlets {

class HttpOutlet final : public StreamOutlet {
 public:
  HttpOutlet(HttpSettings settings, const OutletServices& services);
  ~HttpOutlet() override;

  void start() override;

 private:
  std::unique_ptr<StreamWorker> make_worker(std::size_t slot, UniqueFd listener) override;

  const HttpSettings settings_;
  crypto::SslCtxPtr tls_;
};

}  // namespace qanat::outlets
