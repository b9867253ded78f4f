// The part of an HTTP outlet that lives on one thread.
#pragma once

#include "crypto/openssl.h"
#include "outlets/http_settings.h"
#include "outlets/stream_worker.h"

namespace qanat::outlets {

class HttpWorker final : public StreamWorker {
 public:
  HttpWorker(const HttpSettings& settings, const OutletServices& services,
             share::Visitors& visitors, boost::asio::io_context& context, std::size_t slot,
             SSL_CTX* tls, UniqueFd listener);

 private:
  friend class HttpConnection;

  // The Qanat-Path of an answer, as a header's line.
  const std::string& path_line();

  boost::asio::awaitable<void> serve(UniqueFd fd, net::Peer peer) override;
  void set_limits(const wire::ApiLimits& api, const Limits& limits) override {
    StreamWorker::set_limits(api, limits);
    settings_.api = api;
    settings_.limits = limits;
  }

  HttpSettings settings_;  // a copy: its limits change on this thread alone
  SSL_CTX* const tls_;
  SecretPool pool_;
  std::shared_ptr<const entropy::Provenance::Ids> path_;  // of path_line_
  std::string path_line_;
  std::vector<std::uint8_t> scratch_;  // what is read, for the moment until it is parsed
};

}  // namespace qanat::outlets
