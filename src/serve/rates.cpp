#include "serve/rates.h"

#include <algorithm>
#include <cmath>

namespace qanat::serve {

using namespace std::chrono_literals;

namespace {

constexpr Duration longest_estimate = 1h;
constexpr Duration unknown_wait = 5s;

bool exempt(const Limits& limits, const net::Peer& peer) {
  return peer.local && !limits.limit_local;
}

}  // namespace

Duration take_drbg(const OutletServices& services, const Limits& limits, const net::Peer& peer,
                   share::Client* client, std::uint64_t cost, TimePoint now) {
  if (exempt(limits, peer)) return Duration::zero();
  const Duration block = services.blocks.take(peer.block, limits.block_drbg, cost, now);
  if (block > Duration::zero() || client == nullptr) return block;
  return client->drbg_bucket.take(limits.client_drbg, cost, now);
}

Duration charge_drbg(const OutletServices& services, const Limits& limits, const net::Peer& peer,
                     share::Client* client, std::uint64_t cost, TimePoint now) {
  if (exempt(limits, peer)) return Duration::zero();
  const Duration block = services.blocks.charge(peer.block, limits.block_drbg, cost, now);
  if (client == nullptr) return block;
  return std::max(block, client->drbg_bucket.charge(limits.client_drbg, cost, now));
}

Duration take_made(const OutletServices& services, const Limits& limits, const net::Peer& peer,
                   share::Client* client, Made what, TimePoint now) {
  // The highest four bits of a block are free: each kind has buckets of its own in the one table.
  constexpr unsigned kind_shift = 60;
  const bool document = what == Made::document;
  const std::uint64_t key = peer.block | (document ? 1ULL : 2ULL) << kind_shift;
  const share::BucketRate& of_block = document ? limits.block_documents : limits.block_sessions;
  const share::BucketRate& of_local = document ? limits.local_documents : share::BucketRate();
  if (client == nullptr || !peer.local) {
    const Duration wait = services.blocks.take(key, peer.local ? of_local : of_block, 1, now);
    if (wait > Duration::zero() || client == nullptr) return wait;
  }
  return document ? client->document_bucket.take(limits.client_documents, 1, now)
                  : client->session_bucket.take(limits.client_sessions, 1, now);
}

Duration worth_a_try(const std::optional<share::Dispenser::Estimate>& estimate) {
  return estimate && estimate->wait < longest_estimate ? estimate->wait : unknown_wait;
}

unsigned retry_seconds(Duration wait) {
  return static_cast<unsigned>(
      std::clamp(std::ceil(seconds(wait)), 0.0, seconds(longest_estimate)));
}

}  // namespace qanat::serve
