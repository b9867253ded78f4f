#include "outlets/http/connection.h"

#include <fmt/format.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http/status.hpp>
#include <ctime>
#include <iterator>

#include "outlets/trickle/session.h"
#include "serve/rates.h"
#include "wire/observer_token.h"
#include "wire/proof.h"

namespace qanat::outlets {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using net::IoStatus;

namespace {

// Whether a method of HTTP is what came first, and no record of TLS.
bool is_plain_http(int fd) {
  std::array<char, 4> first{};
  const ssize_t n = ::recv(fd, first.data(), first.size(), MSG_PEEK);
  const std::string_view text(first.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
  return wire::begins_request(text);
}

}  // namespace

HttpConnection::HttpConnection(HttpWorker& worker, serve::Arrival arrival)
    : serve::StreamConnection(worker, std::move(arrival)),
      worker_(worker),
      reader_(worker.settings_.limits.header_bytes, worker.settings_.limits.body_bytes) {}

asio::awaitable<void> HttpConnection::serve(HttpWorker& worker, serve::Arrival arrival) {
  // In the coroutine's frame: one allocation a connection, gone with it.
  HttpConnection connection(worker, std::move(arrival));
  co_await connection.run();
}

asio::awaitable<void> HttpConnection::run() {
  const bool secured = co_await handshake();
  if (secured) {
    identify_by_certificate();
    // Now, and not with its first request: one that sends none would keep its place.
    if (over_quota()) co_await refuse_over_quota();
    while (!over_quota()) {
      const bool complete = co_await read_request();
      if (!complete) break;
      co_await respond();
      end_work();
      if (!keep_alive_ || ending()) break;
    }
  }
  transport_.shutdown();
}

asio::awaitable<bool> HttpConnection::handshake() {
  if (worker_.identity_ == nullptr) co_return true;
  arm(worker_.settings_.limits.handshake);
  // Who says nothing costs no TLS.
  const bool speaks = co_await wait(IoStatus::want_read);
  if (!speaks) {
    ++worker_.counters_.handshake_failed;
    co_return false;
  }
  if (is_plain_http(fd_.get())) {
    co_await refuse_plain_http();
    co_return false;
  }
  const HttpWorker::Handshake place(worker_, *this);
  crypto::SslPtr ssl = worker_.identity_->new_session();
  crypto::require(ssl != nullptr, "TLS connection");
  transport_.secure(std::move(ssl));
  for (;;) {
    const IoStatus status = transport_.handshake();
    if (status == IoStatus::ok) {
      // We send nothing after the client's Finished (no tickets). A client with Nagle's algorithm
      // on holds its request until that is acknowledged: do so now, not 40 ms later.
      const int one = 1;
      ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_QUICKACK, &one, sizeof one);
      co_return true;
    }
    const bool ready = co_await wait(status);
    if (!ready) break;
  }
  ++worker_.counters_.handshake_failed;
  co_return false;
}

// As web servers answer: who wrote http:// for https:// is told so, in words that he can read.
asio::awaitable<void> HttpConnection::refuse_plain_http() {
  ++worker_.counters_.handshake_failed;
  keep_alive_ = false;
  // What is left unread when the socket is closed would take the answer with it (RST).
  (void)transport_.read(worker_.scratch_);
  arm(worker_.settings_.limits.write);
  co_await refuse(400, "a plain HTTP request was sent to a port that speaks HTTPS",
                  "write https:// in place of http://");
}

asio::awaitable<void> HttpConnection::refuse_over_quota() {
  keep_alive_ = false;
  ++client_->refused;
  arm(worker_.settings_.limits.write);
  co_await refuse(429, "too many connections of this client",
                  "ask over one that is open, or close some", 1);
}

// True with a whole request in reader_.
asio::awaitable<bool> HttpConnection::read_request() {
  using State = wire::HttpRequestReader::State;
  const serve::Limits& limits = worker_.settings_.limits;
  State state = reader_.next();
  arm(state == State::empty ? limits.idle : limits.header);
  if (state == State::empty && !transport_.pending()) {
    // Nothing can be there but what the socket shows: no read to learn that it is too early.
    const bool readable = co_await wait(IoStatus::want_read);
    if (!readable) co_return false;
  }
  while (state == State::empty || state == State::partial) {
    // Its header may have come with the request before it.
    if (reader_.expects_word()) {
      co_await write(as_bytes("HTTP/1.1 100 Continue\r\n\r\n"));
      arm(limits.header);  // of which write has its own
    }
    const net::IoResult got = transport_.read(worker_.scratch_);
    if (got.status == IoStatus::ok) {
      // Armed once, not again by further bytes: one a second is too slow.
      if (state == State::empty) arm_from_turn(limits.header);
      begin_work();
      state = reader_.feed(Bytes(worker_.scratch_).first(got.bytes));
      // A record of TLS may hold a byte, and each costs a look at the whole header.
      if (state == State::partial && turn_is_over()) co_await take_turns();
      continue;
    }
    const bool ready = co_await wait(got.status);
    if (ready) continue;
    if (expired() && state == State::partial) {
      ++worker_.counters_.malformed;
      co_await refuse(408, "too slow", "a whole request within 10 s");
    }
    co_return false;
  }
  begin_work();
  if (state == State::refused) {
    ++worker_.counters_.malformed;
    keep_alive_ = false;
    const wire::HttpRequestReader::Refusal& r = reader_.refusal();
    co_await refuse(r.status, r.error, r.hint);
    co_return false;
  }
  keep_alive_ = reader_.keep_alive() && !ending();
  arm_from_turn(limits.write);
  co_return true;
}

std::string HttpConnection::header(unsigned status, std::string_view type,
                                   std::optional<std::uint64_t> length, std::string_view fields,
                                   std::string_view cache) const {
  std::string out;
  out.reserve(256 + fields.size());
  // A short answer's cost is in its header: no format string is read for it.
  const auto add = [&out](const auto&... parts) { (out.append(std::string_view(parts)), ...); };
  add("HTTP/1.1 ", fmt::format_int(status).c_str(), " ",
      http::obsolete_reason(static_cast<http::status>(status)), "\r\nContent-Type: ", type,
      "\r\nCache-Control: ", cache, "\r\n");
  if (length) {
    add("Content-Length: ", fmt::format_int(*length).c_str(), "\r\n");
  } else {
    add("Transfer-Encoding: chunked\r\n");
  }
  if (!proof_.empty()) add("Qanat-Proof: ", proof_, "\r\n");
  if (!keep_alive_) add("Connection: close\r\n");
  add(fields, "\r\n");
  return out;
}

asio::awaitable<bool> HttpConnection::put(BlockWriter& out, Bytes bytes) {
  Bytes rest = out.put(bytes);
  while (!rest.empty()) {
    const bool written = co_await flush(out);
    if (!written) co_return false;
    rest = out.put(rest);
  }
  co_return true;
}

asio::awaitable<bool> HttpConnection::flush(BlockWriter& out) {
  const bool written = co_await write(out.written());
  out.clear();
  co_return written;
}

asio::awaitable<void> HttpConnection::respond() {
  const std::string_view target = reader_.target();
  head_only_ = reader_.method() == "HEAD";
  if (worker_.settings_.control && target.starts_with("/control/"))
    co_return co_await send_control();

  if (const auto refusal = refusal_of_web_page()) {
    ++worker_.counters_.web_page;
    co_return co_await refuse(*refusal);
  }
  const auto parsed =
      wire::parse_api_request(reader_.method(), target, reader_.body(),
                              {.drbg_bytes = worker_.settings_.limits.request_drbg_bytes,
                               .full_bytes = worker_.settings_.limits.request_full_bytes});
  const auto* const page = parsed ? std::get_if<wire::Page>(&*parsed) : nullptr;
  const bool anybody =
      page != nullptr && (*page == wire::Page::health || *page == wire::Page::ready);
  if (!anybody && !authorise(reader_.fields().authorization)) {
    co_return co_await refuse_stranger();
  }
  if (over_quota()) co_return co_await refuse_over_quota();
  if (client_) {
    ++client_->requests;
    client_->last_seen.store(std::time(nullptr));
  }
  if (!parsed) {
    ++(parsed.error().status == 413 ? worker_.counters_.too_large : worker_.counters_.malformed);
    if (client_) ++client_->refused;
    co_return co_await refuse(parsed.error());
  }
  if (page != nullptr) co_return co_await send_page(*page);
  if (const auto* metrics = std::get_if<wire::MetricsRequest>(&*parsed)) {
    co_return co_await send_metrics(*metrics);
  }
  if (const auto* history = std::get_if<wire::HistoryRequest>(&*parsed)) {
    co_return co_await send_history(*history);
  }
  if (const auto* events = std::get_if<wire::EventsRequest>(&*parsed)) {
    co_return co_await send_events(*events);
  }
  if (const auto* asset = std::get_if<wire::AssetRequest>(&*parsed)) {
    co_return co_await send_asset(asset->path);
  }
  if (client_ && client_->observer) {
    ++worker_.counters_.unauthorised;
    ++client_->refused;
    co_return co_await refuse(403, "an observer draws nothing",
                              "draw with a join string ('qanat invite NAME' at the hub)");
  }
  if (const auto* random = std::get_if<wire::RandomRequest>(&*parsed)) {
    co_return co_await send_random(*random);
  }
  if (const auto* pollen = std::get_if<wire::PollenRequest>(&*parsed)) {
    co_return co_await send_pollen(*pollen);
  }
  if (std::holds_alternative<wire::SessionRequest>(*parsed)) co_return co_await send_session();
  co_await send_stream(std::get<wire::StreamRequest>(*parsed));
}

asio::awaitable<void> HttpConnection::send_whole(unsigned status, std::string_view type,
                                                 std::string_view body, std::string_view fields,
                                                 std::string_view cache) {
  const std::string head = header(status, type, body.size(), fields, cache);
  const auto lease = worker_.pool_.lease();
  BlockWriter out(lease.view());
  bool written = co_await put(out, as_bytes(head));
  if (written && !head_only_) written = co_await put(out, as_bytes(body));
  if (written) written = co_await flush(out);
  sent_ = written;
  proof_.clear();
}

// The answer to HEAD where GET would draw.
asio::awaitable<void> HttpConnection::send_head(std::string_view head) {
  co_await write(as_bytes(head));
  proof_.clear();
}

asio::awaitable<void> HttpConnection::refuse(const wire::Refusal& refusal) {
  const std::string body = wire::refusal_json(refusal.error, refusal.hint);
  std::string fields;
  if (refusal.retry_after > 0) fields += fmt::format("Retry-After: {}\r\n", refusal.retry_after);
  if (!refusal.allow.empty()) fields += fmt::format("Allow: {}\r\n", refusal.allow);
  if (refusal.status == 401) {
    fields += fmt::format("WWW-Authenticate: {}\r\n", wire::auth_scheme);
    // A browser asks its user then.
    if (wire::prefers_html(reader_.fields().accept)) {
      fields += fmt::format("WWW-Authenticate: {}\r\n", wire::observer_challenge);
    }
  }
  if (refusal.status == 408) keep_alive_ = false;
  forget_deadline();
  co_await send_whole(refusal.status, "application/json", body, fields);
}

asio::awaitable<void> HttpConnection::refuse(unsigned status, std::string_view error,
                                             std::string_view hint, unsigned retry_after) {
  const wire::Refusal refusal{status, std::string(error), std::string(hint), retry_after};
  co_await refuse(refusal);
}

// Refuses a document or a session to whoever has had too many; whether it did.
asio::awaitable<bool> HttpConnection::refuse_often(serve::Made what) {
  const Duration wait = serve::take_made(worker_.services_, worker_.settings_.limits, peer_,
                                         client_.get(), what, worker_.services_.clock.now());
  if (wait == Duration::zero()) co_return false;
  const bool document = what == serve::Made::document;
  ++(document ? worker_.counters_.documents : worker_.counters_.sessions);
  if (client_) ++client_->refused;
  co_await refuse(429, document ? "status and metrics too often" : "sessions too often",
                  "slow down; docs/configuration.md: [limits] documents, sessions",
                  std::max(1U, serve::retry_seconds(wait)));
  co_return true;
}

asio::awaitable<void> HttpConnection::send_control() {
  // Whoever gave up while this process did not run has been told that nothing is done.
  if (peer_has_gone()) {
    keep_alive_ = false;
    co_return;
  }
  const ControlAnswer answer =
      worker_.settings_.control(reader_.method(), reader_.target(), reader_.body());
  co_await send_whole(answer.status, "application/json", answer.body);
  if (!sent_ && answer.undo) answer.undo();
}

asio::awaitable<void> HttpConnection::send_session() {
  constexpr std::string_view hint = "connect over https with a join string or a certificate";
  // Nobody can show a name over plain HTTP: saying who one is does not help there.
  if (transport_.ssl() == nullptr) {
    ++worker_.counters_.unauthorised;
    co_return co_await refuse(403, "no session over http", hint);
  }
  if (!client_) {
    ++worker_.counters_.unauthorised;
    co_return co_await refuse(401, "a session needs a name", hint);
  }
  const std::uint16_t port = worker_.http_.trickle_port();
  if (port == 0 || worker_.cookies_.version() == 0) {
    co_return co_await refuse(404, "no trickle here", "this hub has no trickle:// outlet");
  }
  const bool refused = co_await refuse_often(serve::Made::session);
  if (refused) co_return;
  const std::string answer =
      begin_trickle_session(worker_.cookies_, port, *client_, transport_.ssl());
  co_await send_whole(200, "application/json", answer);
}

}  // namespace qanat::outlets
