// The server's side of trickle, without its sockets: a datagram in, at most one out.
// docs/trickle.md.
#pragma once

#include <array>
#include <atomic>
#include <cstring>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "net/peer.h"
#include "outlets/http/settings.h"
#include "outlets/trickle/cookie_keeper.h"
#include "serve/delivery.h"
#include "serve/outlet.h"
#include "share/visitors.h"

namespace qanat::outlets {

// Relaxed: statistics only.
struct TrickleCounters : serve::DeliveryCounters {
  // Without an answer, by the names on the page.
  std::array<std::atomic<std::uint64_t>, 4> dropped{};  // by wire::trickle::Drop
  std::atomic<std::uint64_t> generation{0};
  std::atomic<std::uint64_t> cookie{0};
  std::atomic<std::uint64_t> mac{0};
  // With a sealed refusal.
  std::array<std::atomic<std::uint64_t>, 5> refused{};  // by wire::trickle::Reason
  // Grade full that was not given to a copy of a question: refused, or answered at grade drbg.
  std::atomic<std::uint64_t> replayed{0};

  const std::atomic<std::uint64_t>& refused_for(wire::trickle::Reason reason) const {
    return refused[static_cast<std::size_t>(reason)];
  }
};

// Of one thread. Keeps nothing of a client but what the client book holds anyway: one who came to
// another server with a certificate is served from its cookie alone, with a bucket in the table of
// fixed size.
class TrickleServer {
 public:
  // `visitors`: whose share of grade full clients have that are not in the book. `slot`: the
  // thread's DRBG. The node's cookie keys must have begun.
  TrickleServer(const serve::OutletServices& services, CookieKeeper& cookies,
                const serve::Limits& limits, share::Visitors& visitors, std::size_t slot);

  // What is to be sent back; nothing when `bytes` is 0.
  struct Reply {
    std::size_t bytes = 0;
    serve::Delivery delivery;              // of the random bytes in it, for their client
    std::shared_ptr<share::Flow> visitor;  // of grade full for one that is not in the book
  };
  // Once a batch of datagrams, or now and then: with the hour, new keys.
  void refresh(std::uint64_t unix_seconds) {
    cookies_.turn(unix_seconds);
    if (own_.version != cookies_.version()) own_ = cookies_.copy();
  }
  // Around so many datagrams that are answered in a row: their random bytes are drawn together, as
  // a DRBG has its price by the call. Nothing drawn outlasts the batch. Without it, one by one.
  void begin_batch(std::size_t datagrams) { batch_left_ = datagrams; }
  void end_batch();
  // out.size() >= most_datagram; only Reply::bytes of it mean anything.
  Reply answer(Bytes datagram, const net::Peer& peer, TimePoint now, MutableBytes out);
  // The reply has been sent: its bytes are delivered. One that could not be is let go, and its
  // bytes are discarded.
  void sent(Reply reply, TimePoint now);

  void set_limits(const serve::Limits& limits) { limits_ = limits; }
  const TrickleCounters& counters() const { return counters_; }

 private:
  using ClientId = wire::trickle::ClientId;
  struct HashId {
    // The id is a hash already.
    std::size_t operator()(const ClientId& id) const {
      std::size_t out = 0;
      std::memcpy(&out, id.data(), sizeof out);
      return out;
    }
  };

  bool admit(const wire::trickle::CookieContent& content, std::shared_ptr<share::Client>& client);
  void copy_book();
  bool copy_book_again();
  Duration over_rate(const wire::trickle::CookieContent& content, share::Client* client,
                     const net::Peer& peer, std::size_t bytes, TimePoint now);
  MutableBytes draw(std::size_t bytes, TimePoint now);
  enum class Full { given, none, replayed };
  Full withdraw(Reply& reply, std::shared_ptr<share::Client>& client,
                const wire::trickle::Request& request, const wire::trickle::CookieContent& content,
                const SpentQuestions::Mac& mac, const net::Peer& peer, TimePoint now);
  Reply refuse(const wire::trickle::Request& request, wire::trickle::Reason reason, Duration wait,
               Bytes s2c, share::Client* client, MutableBytes out);

  const serve::OutletServices& services_;
  CookieKeeper& cookies_;
  serve::Limits limits_;
  share::Visitors& visitors_;
  const std::size_t slot_;
  CookieKeeper::Copy own_;
  SecretBytes full_;    // of grade full, on its way into a reply
  SecretBytes random_;  // drawn for this batch; of it [random_at_, random_end_) is left
  std::size_t random_at_ = 0;
  std::size_t random_end_ = 0;
  std::size_t batch_left_ = 0;  // datagrams
  // The book's clients by their ids, as they were at that version.
  std::uint64_t clients_version_ = ~std::uint64_t{0};
  std::uint64_t bars_version_ = ~std::uint64_t{0};
  TimePoint next_copy_{};
  std::unordered_map<ClientId, std::shared_ptr<share::Client>, HashId> clients_;
  std::unordered_set<ClientId, HashId> barred_;  // certified ones
  TrickleCounters counters_;
};

}  // namespace qanat::outlets
