// The limits of outlets, what each asks before it serves a peer, and says when it does not.
#pragma once

#include <optional>

#include "net/peer.h"
#include "serve/outlet.h"

namespace qanat::serve {

// Of one outlet, with their reasons.
struct Limits {
  // Open connections of one outlet. docs/http-api.md has what each costs.
  std::size_t connections = 20000;
  // Of those, by peers without a name of one user of this machine or one block of addresses: one
  // of them leaves room for the others. While it has them all, its idle ones give way to its new
  // ones; and while the outlet is full, those of the blocks that have most to those that have less.
  std::size_t peer_connections = 10000;
  // Of one client, whose connections count as its own as soon as it has shown its name.
  std::size_t client_connections = 2500;
  // TLS handshakes under way, a thread: some 50 KB each. The newest goes before the oldest of the
  // block of addresses that has most.
  std::size_t handshakes = 512;
  // Whoever comes when all are taken waits for one to end, instead of being hung up on.
  bool wait_for_room = false;
  // What one request over HTTP may ask for, by grade.
  std::uint64_t request_full_bytes = 64 << 10;
  std::uint64_t request_drbg_bytes = 1ULL << 30;
  // A request's header or body: eight times what any client of ours sends.
  std::size_t header_bytes = 8192;
  std::size_t body_bytes = 8192;
  // TLS and a whole header: slower peers hold a connection for nothing.
  Duration handshake = std::chrono::seconds(10);
  Duration header = std::chrono::seconds(10);
  // Between requests: longer than the usual 60 s between two feeds, so that those keep theirs.
  Duration idle = std::chrono::seconds(150);
  // For a peer to take what is written at once, 16 KiB at the most: a slower one has as good as
  // gone.
  Duration write = std::chrono::seconds(30);
  // In line, or for the DRBG's first seed, where the protocol has no word for "not now".
  Duration line = std::chrono::minutes(10);
  // Grade drbg, per client and per block of addresses: a request costs its bytes and drbg_request.
  // So one client takes at most some fifth of a core, a block at most one. Peers on this machine
  // are free of it unless the operator names a rate.
  share::BucketRate client_drbg{128 << 20, 256 << 20};
  share::BucketRate block_drbg{512 << 20, 1 << 30};
  bool limit_local = false;
  // What a request costs beside its bytes, in the time of one byte: 13 us against 1.2 ns measured.
  std::uint64_t drbg_request = 8192;
  // Status and metrics, a second: each takes some ms to make where there are thousands of clients.
  // A scraper asks every 15 s. By client, by block of addresses, and by user of this machine or all
  // of its loopback.
  share::BucketRate client_documents{5, 50};
  share::BucketRate block_documents{25, 250};
  share::BucketRate local_documents{100, 200};
  // Trickle sessions, a second: each is nine keys. A client wants one an hour, and so does each of
  // its clones; a block may be a site that has just got its power back.
  share::BucketRate client_sessions{10, 100};
  share::BucketRate block_sessions{100, 1000};
};

// The same with no more connections than a process that may open `descriptors` can give each of
// `outlets`: one that is full leaves some to the others, and to the node itself.
Limits within_descriptors(Limits limits, std::size_t descriptors, std::size_t outlets);

// What an HTTP outlet makes for whoever asks, at a rate of its own each.
enum class Made { document, session };

// Grade drbg, by block of addresses and by client (null: one without a name). Zero when `cost` was
// taken from both; else how long to wait. A peer on this machine is free of it unless the operator
// named a rate.
Duration take_drbg(const OutletServices& services, const Limits& limits, const net::Peer& peer,
                   share::Client* client, std::uint64_t cost, TimePoint now);
// The same for what is under way: taken in any case; how long to pause.
Duration charge_drbg(const OutletServices& services, const Limits& limits, const net::Peer& peer,
                     share::Client* client, std::uint64_t cost, TimePoint now);

// The same for one document or session. A client's rate is its own wherever it is; peers on this
// machine without a name have one for documents.
Duration take_made(const OutletServices& services, const Limits& limits, const net::Peer& peer,
                   share::Client* client, Made what, TimePoint now);

// When a refused request for full-entropy bytes may be worth another try: what is estimated, or
// some seconds where nothing is known or no source is left.
Duration worth_a_try(const std::optional<share::Dispenser::Estimate>& estimate);
// Whole seconds for the refusal, at most an hour.
unsigned retry_seconds(Duration wait);

}  // namespace qanat::serve
