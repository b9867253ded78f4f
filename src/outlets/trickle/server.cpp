#include "outlets/trickle/server.h"

#include <algorithm>
#include <ctime>

#include "crypto/aead.h"
#include "serve/limits.h"
#include "serve/rates.h"

namespace qanat::outlets {

namespace trickle = wire::trickle;
using trickle::Reason;
using namespace std::chrono_literals;

namespace {

// How long a session over TLS is good for, by its cookies and those that follow from them, the
// generation in which it began included: so late may a revocation at one hub be noticed by another
// that shares its cookie key. It costs a handshake; a feed has some 240 seeds in that time.
constexpr std::uint32_t session_generations = 4;
// Drawn at once, at most. A reply needs its bytes, for each cookie R and a nonce, and a nonce: less
// than its size.
constexpr std::size_t most_random = 8192;
static_assert(most_random > trickle::most_datagram);

}  // namespace

TrickleServer::TrickleServer(const serve::OutletServices& services, CookieKeeper& cookies,
                             const serve::Limits& limits, share::Visitors& visitors,
                             std::size_t slot)
    : services_(services),
      cookies_(cookies),
      limits_(limits),
      visitors_(visitors),
      slot_(slot),
      own_(cookies.copy()),
      full_(trickle::most_datagram),
      random_(most_random) {}

void TrickleServer::copy_book() {
  clients_version_ = services_.clients.version();
  bars_version_ = services_.clients.bars_version();
  clients_.clear();
  barred_.clear();
  for (const share::Bar& bar : services_.clients.bars()) {
    barred_.insert(trickle::client_id(bar.name, {}));
  }
  for (auto& client : services_.clients.list()) {
    // Who is invited has the name for itself: no certificate speaks for it.
    if (!client->shared_key.empty()) barred_.insert(trickle::client_id(client->name, {}));
    clients_.emplace(trickle::client_id(client->name, client->shared_key.view()),
                     std::move(client));
  }
}

// A copy of a large book takes milliseconds: where clients come and go all the time, and one that
// has gone asks on, copies take a tenth of the time at the most.
bool TrickleServer::copy_book_again() {
  constexpr int rest = 9;
  constexpr Duration longest_rest = 50ms;
  const TimePoint begin = services_.clock.now();
  if (begin < next_copy_) return false;
  copy_book();
  const TimePoint end = services_.clock.now();
  next_copy_ = end + std::min(rest * (end - begin), longest_rest);
  return true;
}

// `client` stays null for one that is not in the book and may draw all the same.
bool TrickleServer::admit(const trickle::CookieContent& content,
                          std::shared_ptr<share::Client>& client) {
  constexpr std::uint32_t modulus = 1 << 24;
  // 0 for one that began at a server whose clock is an hour ahead.
  const std::uint32_t age = (own_.keys.generation() + 1 - content.session) % modulus;
  if (age > session_generations) return false;
  const bool invited = content.client_class == trickle::ClientClass::invited;
  // One that the book forgot while it was idle is here still, and can be revoked all the same.
  if (bars_version_ != services_.clients.bars_version()) copy_book();
  auto known = clients_.find(content.client);
  if (known == clients_.end() && clients_version_ != services_.clients.version() &&
      copy_book_again()) {
    known = clients_.find(content.client);
  }
  if (known == clients_.end()) return !invited && !barred_.contains(content.client);
  client = known->second;
  return !client->revoked.load(std::memory_order_relaxed);
}

Duration TrickleServer::over_rate(const trickle::CookieContent& content, share::Client* client,
                                  const net::Peer& peer, std::size_t bytes, TimePoint now) {
  const std::uint64_t cost = limits_.drbg_request + bytes;
  const Duration wait = serve::take_drbg(services_, limits_, peer, client, cost, now);
  if (wait > 0s || client != nullptr || (peer.local && !limits_.limit_local)) return wait;
  // Blocks of addresses have their kind in the highest byte, none of which is this.
  constexpr std::uint64_t kind_client = std::uint64_t{255} << 56;
  return services_.blocks.take(kind_client | HashId()(content.client) >> 8, limits_.client_drbg,
                               cost, now);
}

// Random bytes of the thread's DRBG, to be wiped by who uses them; empty before its first seed.
MutableBytes TrickleServer::draw(std::size_t bytes, TimePoint now) {
  if (random_end_ - random_at_ < bytes) {
    end_batch();
    const std::size_t wanted = std::min(most_random, bytes * (batch_left_ + 1));
    if (!services_.drbg.generate(slot_, random_.view().first(wanted), now)) return {};
    random_end_ = wanted;
  }
  const MutableBytes drawn = random_.view().subspan(random_at_, bytes);
  random_at_ += bytes;
  return drawn;
}

void TrickleServer::end_batch() {
  wipe(random_.view().subspan(random_at_, random_end_ - random_at_));
  random_at_ = random_end_ = 0;
}

// Of grade full: what is there at once, or nothing. A server that keeps no state has no line.
//
// Once for each question, however often it comes. Only this run of this hub knows what it has
// answered: so a cookie that another has sealed is good for one question in all, and its tag stands
// for that. Threads that have a copy each agree on who is the first.
TrickleServer::Full TrickleServer::withdraw(Reply& reply, std::shared_ptr<share::Client>& client,
                                            const trickle::Request& request,
                                            const trickle::CookieContent& content,
                                            const SpentQuestions::Mac& own_mac,
                                            const net::Peer& peer, TimePoint now) {
  if (client == nullptr) reply.visitor = visitors_.of(peer.block);
  const Bytes mark = Bytes(request.cookie).subspan(trickle::generation_bytes, own_.mark.size());
  const bool own = std::equal(mark.begin(), mark.end(), own_.mark.begin());
  SpentQuestions::Mac mac = own_mac;
  if (!own) std::copy(request.cookie.end() - trickle::tag_bytes, request.cookie.end(), mac.begin());
  if (request.bytes > services_.dispenser.max_request_bytes()) return Full::none;
  SpentQuestions& spent = cookies_.spent();
  const std::uint32_t generation = trickle::generation_of(request.cookie);
  if (spent.seen(generation, content.client, mac)) return Full::replayed;
  const share::FlowId flow = client != nullptr ? client->flow.id() : reply.visitor->id();
  share::Ticket place = services_.dispenser.request(flow, request.bytes, now, [] {});
  if (!place.ready()) return Full::none;
  if (!spent.spend(generation, content.client, mac)) return Full::replayed;
  reply.delivery = serve::Delivery(place.collect(full_.view().first(request.bytes)), request.bytes,
                                   counters_, std::move(client));
  return Full::given;
}

TrickleServer::Reply TrickleServer::refuse(const trickle::Request& request, Reason reason,
                                           Duration wait, Bytes s2c, share::Client* client,
                                           MutableBytes out) {
  ++counters_.refused[static_cast<std::size_t>(reason)];
  if (client != nullptr) ++client->refused;
  trickle::Nonce nonce;
  crypto::random_bytes(nonce);
  const auto seconds_to_wait = static_cast<std::uint16_t>(serve::retry_seconds(wait));
  Reply reply;
  reply.bytes = trickle::encode_refusal(request, reason, seconds_to_wait, s2c, nonce, out);
  return reply;
}

TrickleServer::Reply TrickleServer::answer(Bytes datagram, const net::Peer& peer, TimePoint now,
                                           MutableBytes out) {
  if (batch_left_ > 0) --batch_left_;
  const auto request = trickle::decode_request(datagram);
  if (!request) {
    ++counters_.dropped[static_cast<std::size_t>(request.error())];
    return {};
  }
  const Bytes cookie_key = own_.keys.find(trickle::generation_of(request->cookie));
  if (cookie_key.empty()) {
    ++counters_.generation;
    return {};
  }
  trickle::CookieContent content;
  if (!trickle::open_cookie(cookie_key, request->cookie, content)) {
    ++counters_.cookie;
    return {};
  }
  const Bytes c2s = content.keys.view().first(trickle::key_bytes);
  const Bytes s2c = content.keys.view().last(trickle::key_bytes);
  if (!trickle::authentic(datagram, c2s)) {
    ++counters_.mac;
    return {};
  }
  Reply reply;
  std::shared_ptr<share::Client> client;
  if (!admit(content, client)) {
    return refuse(*request, Reason::session, 0s, s2c, nullptr, out);
  }
  if (client != nullptr) {
    ++client->requests;
    client->last_seen.store(std::time(nullptr), std::memory_order_relaxed);
  }
  if (const Duration wait = over_rate(content, client.get(), peer, request->bytes, now);
      wait > 0s) {
    return refuse(*request, Reason::rate, wait, s2c, client.get(), out);
  }

  const MutableBytes full_bytes = full_.view().first(request->bytes);
  const Full outcome =
      request->grade == trickle::Grade::drbg
          ? Full::none
          : withdraw(reply, client, *request, content, trickle::mac_of(datagram), peer, now);
  const bool full = outcome == Full::given;
  if (outcome == Full::replayed) ++counters_.replayed;
  if (!full && request->grade == trickle::Grade::full) {
    const share::FlowId flow = client != nullptr ? client->flow.id() : reply.visitor->id();
    const auto estimate = services_.dispenser.estimate(flow, request->bytes, now);
    return refuse(*request, Reason::dry, serve::worth_a_try(estimate), s2c, client.get(), out);
  }
  const std::size_t fresh_bytes = request->cookies * trickle::fresh_bytes;
  const std::size_t needed =
      (full ? 0 : request->bytes) + fresh_bytes + (request->cookies + 1) * trickle::nonce_bytes;
  MutableBytes drawn = draw(needed, now);
  if (drawn.empty()) {
    if (!full) return refuse(*request, Reason::unseeded, 1s, s2c, client.get(), out);
    drawn = random_.view().first(needed);
    crypto::random_bytes(drawn);
  }
  if (!full) {
    reply.delivery = serve::Delivery::of_drbg(request->bytes, counters_, std::move(client));
  }
  const MutableBytes bytes = full ? full_bytes : drawn.first(request->bytes);
  const Bytes fresh = drawn.subspan(full ? 0 : request->bytes, fresh_bytes);
  Bytes nonces = drawn.last((request->cookies + 1) * trickle::nonce_bytes);
  const auto next_nonce = [&nonces] {
    trickle::Nonce nonce;
    std::copy_n(nonces.begin(), nonce.size(), nonce.begin());
    nonces = nonces.subspan(nonce.size());
    return nonce;
  };

  std::array<trickle::Cookie, trickle::most_cookies> cookies;
  trickle::CookieContent next;
  next.client_class = content.client_class;
  next.session = content.session;
  next.client = content.client;
  for (unsigned i = 0; i < request->cookies; ++i) {
    trickle::next_keys(content.keys.view(),
                       fresh.subspan(i * trickle::fresh_bytes, trickle::fresh_bytes),
                       next.keys.view());
    trickle::Nonce nonce = next_nonce();
    std::copy(own_.mark.begin(), own_.mark.end(), nonce.begin());
    cookies[i] = trickle::seal_cookie(own_.keys.current(), own_.keys.generation(), nonce, next);
  }
  reply.bytes = trickle::encode_reply(*request, full ? trickle::Grade::full : trickle::Grade::drbg,
                                      bytes, std::span(cookies).first(request->cookies), fresh, s2c,
                                      next_nonce(), out);
  wipe(drawn);
  if (full) wipe(full_bytes);
  return reply;
}

void TrickleServer::sent(Reply reply, TimePoint now) {
  if (reply.delivery.bytes() == 0) return;
  reply.delivery.arrived(now);
  ++counters_.deliveries;
}

}  // namespace qanat::outlets
