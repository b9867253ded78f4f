#include "outlets/limits.h"

#include <algorithm>
#include <cmath>

namespace qanat::outlets {

using namespace std::chrono_literals;

namespace {

constexpr Duration longest_wait = 1h;
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

Duration worth_a_try(const std::optional<share::Dispenser::Estimate>& estimate) {
  return estimate && estimate->wait < longest_wait ? estimate->wait : unknown_wait;
}

unsigned retry_seconds(Duration wait) {
  return static_cast<unsigned>(std::clamp(std::ceil(seconds(wait)), 0.0, seconds(longest_wait)));
}

}  // namespace qanat::outlets
