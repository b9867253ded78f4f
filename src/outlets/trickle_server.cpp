#include "outlets/trickle_server.h"

#include <algorithm>
#include <ctime>

#include "crypto/aead.h"
#include "outlets/limits.h"

namespace qanat::outlets {

namespace trickle = wire::trickle;
using trickle::Grade;
using trickle::Reason;
using namespace std::chrono_literals;

TrickleServer::TrickleServer(const OutletServices& services, const HttpLimits& limits,
                             std::size_t slot, CookieKeys keys)
    : services_(services), limits_(limits), slot_(slot), keys_(std::move(keys)) {}

void TrickleServer::refresh(std::uint64_t unix_seconds) {
  keys_.advance(CookieKeys::generation_at(unix_seconds));
  const std::uint64_t version = services_.clients.version();
  if (version == clients_version_) return;
  clients_version_ = version;
  clients_.clear();
  for (auto& client : services_.clients.list()) {
    clients_.emplace(trickle::client_id(client->name), std::move(client));
  }
}

void TrickleServer::random(MutableBytes out, TimePoint now) {
  if (!services_.drbg.generate(slot_, out, now)) crypto::random_bytes(out);
}

TrickleServer::Reply TrickleServer::refuse(const trickle::Request& request, Reason reason,
                                           Duration wait, Bytes s2c, share::Client* client,
                                           MutableBytes out) {
  ++counters_.refused[static_cast<std::size_t>(reason)];
  if (client != nullptr) ++client->refused;
  trickle::Nonce nonce;
  crypto::random_bytes(nonce);
  const auto seconds_to_wait = static_cast<std::uint16_t>(retry_seconds(wait));
  Reply reply;
  reply.bytes = trickle::encode_refusal(request, reason, seconds_to_wait, s2c, nonce, out);
  return reply;
}

TrickleServer::Reply TrickleServer::answer(Bytes datagram, const net::Peer& peer, TimePoint now,
                                           MutableBytes out) {
  const auto request = trickle::decode_request(datagram);
  if (!request) {
    ++counters_.dropped[static_cast<std::size_t>(request.error())];
    return {};
  }
  const Bytes cookie_key = keys_.find(trickle::generation_of(request->cookie));
  if (cookie_key.empty()) {
    ++counters_.generation;
    return {};
  }
  trickle::Ticket ticket;
  if (!trickle::open_cookie(cookie_key, request->cookie, ticket)) {
    ++counters_.cookie;
    return {};
  }
  const Bytes c2s = ticket.keys.view().first(trickle::key_bytes);
  const Bytes s2c = ticket.keys.view().last(trickle::key_bytes);
  if (!trickle::authentic(datagram, c2s)) {
    ++counters_.mac;
    return {};
  }
  const auto known = clients_.find(ticket.client);
  if (known == clients_.end() || known->second->revoked.load()) {
    return refuse(*request, Reason::revoked, 0s, s2c, nullptr, out);
  }
  share::Client& client = *known->second;
  ++client.requests;
  client.last_seen.store(std::time(nullptr));
  const std::uint64_t cost = limits_.drbg_request + request->bytes;
  if (const Duration wait = take_drbg(services_, limits_, peer, &client, cost, now); wait > 0s) {
    return refuse(*request, Reason::rate, wait, s2c, &client, out);
  }

  Reply reply;
  reply.client = &client;
  reply.entropy = request->bytes;
  WipedArray<trickle::most_datagram> entropy;
  const MutableBytes bytes = entropy.view().first(request->bytes);
  if (request->grade != Grade::drbg) {
    // What is there at once, or nothing: a server that keeps no state has no line.
    share::Ticket place = services_.dispenser.request(client.flow.id(), bytes.size(), now, [] {});
    reply.full = place.ready();
    if (reply.full) reply.withdrawal = place.collect(bytes);
  }
  if (!reply.full && request->grade == Grade::full) {
    const auto estimate = services_.dispenser.estimate(client.flow.id(), bytes.size(), now);
    return refuse(*request, Reason::dry, worth_a_try(estimate), s2c, &client, out);
  }
  if (!reply.full && !services_.drbg.generate(slot_, bytes, now)) {
    return refuse(*request, Reason::unseeded, 1s, s2c, &client, out);
  }

  std::array<trickle::Cookie, trickle::most_cookies> cookies;
  WipedArray<trickle::most_cookies * trickle::fresh_bytes> fresh_all;
  const MutableBytes fresh = fresh_all.view().first(request->cookies * trickle::fresh_bytes);
  random(fresh, now);
  trickle::Ticket next;
  next.client_class = ticket.client_class;
  next.client = ticket.client;
  trickle::Nonce nonce;
  for (unsigned i = 0; i < request->cookies; ++i) {
    trickle::next_keys(ticket.keys.view(),
                       fresh.subspan(i * trickle::fresh_bytes, trickle::fresh_bytes),
                       next.keys.view());
    random(nonce, now);
    cookies[i] = trickle::seal_cookie(keys_.current(), keys_.generation(), nonce, next);
  }
  random(nonce, now);
  reply.bytes =
      trickle::encode_reply(*request, reply.full ? Grade::full : Grade::drbg, bytes,
                            std::span(cookies).first(request->cookies), fresh, s2c, nonce, out);
  return reply;
}

void TrickleServer::sent(Reply reply, TimePoint now) {
  if (reply.entropy == 0 || reply.client == nullptr) return;
  ++counters_.replies;
  reply.client->recent_bytes.add(reply.entropy, now);
  if (reply.full) {
    reply.withdrawal.delivered(reply.entropy);
    counters_.full_bytes += reply.entropy;
    reply.client->full_bytes += reply.entropy;
  } else {
    counters_.drbg_bytes += reply.entropy;
    reply.client->drbg_bytes += reply.entropy;
  }
}

}  // namespace qanat::outlets
