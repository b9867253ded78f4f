// The limits of outlets, with their reasons.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/clock.h"
#include "share/token_bucket.h"

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
  // Those who follow events, a thread: each is written to once a second. A page in a browser is
  // one, and a wall of screens some dozens.
  std::size_t followers = 512;
  std::size_t block_followers = 256;
  // Trickle sessions, a second: each is nine keys. A client wants one an hour, and so does each of
  // its clones; a block may be a site that has just got its power back.
  share::BucketRate client_sessions{10, 100};
  share::BucketRate block_sessions{100, 1000};
};

// The same with no more connections than a process that may open `descriptors` can give each of
// `outlets`: one that is full leaves some to the others, and to the node itself.
Limits within_descriptors(Limits limits, std::size_t descriptors, std::size_t outlets);

}  // namespace qanat::serve
