// HTTP and HTTPS, and the control socket of the node.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <optional>

#include "net/kept_loop.h"
#include "outlets/http/server_identity.h"
#include "outlets/http/settings.h"
#include "outlets/services.h"
#include "serve/stream_outlet.h"

namespace qanat::outlets {

class HttpOutlet final : public serve::StreamOutlet {
 public:
  HttpOutlet(HttpSettings settings, const Services& services);
  ~HttpOutlet() override;

  void start() override;
  void stop() override;
  // Takes up a renewed certificate; so does a look at the files every ten seconds.
  void reload() override;
  observe::OutletReport report() const override;
  std::optional<spec::Address> invites_to() const override;

 private:
  std::unique_ptr<serve::StreamWorker> make_worker(std::size_t slot, UniqueFd listener) override;
  boost::asio::awaitable<void> look_on();

  const HttpSettings settings_;
  const Services& all_;
  std::optional<ServerIdentity> identity_;
  // Of the first thread.
  net::KeptLoop looking_;
  boost::asio::steady_timer look_timer_;
};

}  // namespace qanat::outlets
