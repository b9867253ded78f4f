// The part of an HTTP outlet that lives on one thread.
#pragma once

#include <list>
#include <unordered_map>

#include "outlets/http/server_identity.h"
#include "outlets/http/settings.h"
#include "serve/stream_worker.h"

namespace qanat::outlets {

class HttpWorker final : public serve::StreamWorker {
 public:
  HttpWorker(const HttpSettings& settings, const Services& services, share::Visitors& visitors,
             boost::asio::io_context& context, std::size_t slot, const ServerIdentity* identity,
             UniqueFd listener);

 private:
  friend class HttpConnection;

  // The Qanat-Path and Qanat-Grade of an answer, as a header's lines.
  const std::string& origin_lines(spec::Grade grade);

  boost::asio::awaitable<void> serve(serve::Arrival arrival) override;
  void set_limits(const serve::Limits& limits) override {
    serve::StreamWorker::set_limits(limits);
    settings_.limits = limits;
  }

  // One of the TLS handshakes under way, of which there are no more than Limits::handshakes: for
  // the newest, the oldest of the block that has most is closed. Who means it is done within
  // milliseconds, and who does not holds up itself.
  class Handshake {
   public:
    Handshake(HttpWorker& worker, serve::StreamConnection& connection);
    Handshake(const Handshake&) = delete;
    Handshake& operator=(const Handshake&) = delete;
    ~Handshake();

   private:
    HttpWorker& worker_;
    std::list<serve::StreamConnection*>::iterator place_;
  };

  HttpSettings settings_;  // a copy: its limits change on this thread alone
  const HttpServices& http_;
  CookieKeeper& cookies_;
  const ServerIdentity* const identity_;                          // null: without TLS
  std::list<serve::StreamConnection*> handshakes_;                // the oldest first
  std::unordered_map<std::uint64_t, std::size_t> handshakes_of_;  // by block
  SecretPool pool_;
  std::shared_ptr<const entropy::Provenance::Path> path_;  // of the next two
  std::string full_origin_;
  std::string drbg_origin_;
  std::vector<std::uint8_t> scratch_;  // what is read, for the moment until it is parsed
};

}  // namespace qanat::outlets
