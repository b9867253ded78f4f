// HTTP and HTTPS: a listening socket per thread, and the control socket of the node.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "outlets/http_settings.h"
#include "outlets/outlet.h"
#include "share/visitors.h"

namespace qanat::outlets {

class HttpWorker;

class HttpOutlet final : public Outlet {
 public:
  HttpOutlet(HttpSettings settings, const OutletServices& services);
  ~HttpOutlet() override;

  void start() override;
  void drain() override;
  bool idle() const override;
  void stop() override;
  OutletReport report() const override;

  // Where it listens; the real port when 0 was asked for. Empty before start.
  std::string address_text() const { return address_text_; }
  // Closes the connections of a client that was revoked.
  void close_of(const std::shared_ptr<share::Client>& client);

 private:
  void for_each_worker(const std::function<void(HttpWorker&)>& work);

  HttpSettings settings_;
  const OutletServices& services_;
  share::Visitors visitors_;
  crypto::SslCtxPtr tls_;
  std::vector<std::unique_ptr<HttpWorker>> workers_;
  std::string address_text_;
};

}  // namespace qanat::outlets
