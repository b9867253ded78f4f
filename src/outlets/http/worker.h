// The part of an HTTP outlet that lives on one thread.
#pragma once

#include <atomic>
#include <list>
#include <memory>
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

  // Those who follow events, as long as they do. Of the node's or this worker's end the bell is the
  // first to know: what it posts finds nobody then.
  struct Followers {
    std::list<serve::StreamConnection*> all;
    std::atomic<std::size_t> count{0};  // of them, for the bell
    std::atomic<bool> called{false};
  };
  class Follower {
   public:
    Follower(HttpWorker& worker, serve::StreamConnection& connection);
    Follower(const Follower&) = delete;
    Follower& operator=(const Follower&) = delete;
    ~Follower();

   private:
    HttpWorker& worker_;
    const std::uint64_t block_;
    std::list<serve::StreamConnection*>::iterator place_;
  };
  // Whether there is room for one more of this block; one of those who have most gives way.
  bool make_room_for_follower(std::uint64_t block);
  void call_followers() noexcept;

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
  const std::shared_ptr<Followers> followers_ = std::make_shared<Followers>();
  std::unordered_map<std::uint64_t, std::size_t> followers_of_;  // by block
  std::unique_ptr<Listeners<>::Subscription> ringing_;
  std::vector<std::uint8_t> scratch_;  // what is read, for the moment until it is parsed
};

}  // namespace qanat::outlets
