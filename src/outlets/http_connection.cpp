#include "outlets/http_connection.h"

#include <fmt/format.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http/status.hpp>
#include <ctime>

#include "outlets/http_text.h"
#include "wire/proof.h"

namespace qanat::outlets {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using net::IoStatus;

HttpConnection::HttpConnection(HttpWorker& worker, UniqueFd fd, net::Peer peer, crypto::SslPtr ssl)
    : StreamConnection(worker, std::move(fd), peer, std::move(ssl)),
      worker_(worker),
      reader_(worker.settings_.limits.header_bytes, worker.settings_.limits.body_bytes) {}

asio::awaitable<void> HttpConnection::serve(HttpWorker& worker, UniqueFd fd, net::Peer peer,
                                            crypto::SslPtr ssl) {
  // In the coroutine's frame: one allocation a connection, gone with it.
  HttpConnection connection(worker, std::move(fd), peer, std::move(ssl));
  co_await connection.run();
}

asio::awaitable<void> HttpConnection::run() {
  const bool secured = co_await handshake();
  if (secured) {
    identify_by_certificate();
    for (;;) {
      const bool complete = co_await read_request();
      if (!complete) break;
      co_await respond();
      busy_ = false;
      if (!keep_alive_ || closing_ || draining_) break;
    }
  }
  transport_.shutdown();
}

asio::awaitable<bool> HttpConnection::handshake() {
  if (transport_.ssl() == nullptr) co_return true;
  arm(worker_.settings_.limits.handshake);
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

// True with a whole request in reader_.
asio::awaitable<bool> HttpConnection::read_request() {
  using State = HttpRequestReader::State;
  const Limits& limits = worker_.settings_.limits;
  State state = reader_.next();
  arm(state == State::empty ? limits.idle : limits.header);
  if (state == State::empty && !transport_.pending()) {
    // Nothing can be there but what the socket shows: no read to learn that it is too early.
    const bool readable = co_await wait(IoStatus::want_read);
    if (!readable) co_return false;
  }
  while (state == State::empty || state == State::partial) {
    const net::IoResult got = transport_.read(worker_.scratch_);
    if (got.status == IoStatus::ok) {
      // Armed once, not again by further bytes: one a second is too slow.
      if (state == State::empty) arm(limits.header);
      busy_ = true;
      state = reader_.feed(Bytes(worker_.scratch_).first(got.bytes));
      continue;
    }
    const bool ready = co_await wait(got.status);
    if (ready) continue;
    if (expired_ && state == State::partial) {
      ++worker_.counters_.malformed;
      co_await refuse(408, "too slow", "a whole request within 10 s");
    }
    co_return false;
  }
  busy_ = true;
  if (state == State::refused) {
    ++worker_.counters_.malformed;
    keep_alive_ = false;
    const HttpRequestReader::Refusal& r = reader_.refusal();
    co_await refuse(r.status, r.error, r.hint);
    co_return false;
  }
  keep_alive_ = reader_.keep_alive() && !draining_;
  arm(limits.write);
  co_return true;
}

std::size_t HttpConnection::write_header(MutableBytes block, unsigned status, std::string_view type,
                                         std::optional<std::uint64_t> length,
                                         std::string_view extra) const {
  char* const begin = reinterpret_cast<char*>(block.data());
  char* out = begin;
  out = fmt::format_to(out, "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nCache-Control: no-store\r\n",
                       status, http::obsolete_reason(static_cast<http::status>(status)), type);
  if (length) {
    out = fmt::format_to(out, "Content-Length: {}\r\n", *length);
  } else {
    out = fmt::format_to(out, "Transfer-Encoding: chunked\r\n");
  }
  if (!proof_.empty()) out = fmt::format_to(out, "Qanat-Proof: {}\r\n", proof_);
  if (!keep_alive_) out = fmt::format_to(out, "Connection: close\r\n");
  out = fmt::format_to(out, "{}\r\n", extra);
  return static_cast<std::size_t>(out - begin);
}

void HttpConnection::identify_by_certificate() {
  if (worker_.settings_.access != Access::ca) return;
  X509* const certificate = SSL_get0_peer_certificate(transport_.ssl());
  if (certificate == nullptr || SSL_get_verify_result(transport_.ssl()) != X509_V_OK) return;
  std::array<char, 65> name{};
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name.data(),
                            static_cast<int>(name.size()));
  become(worker_.services_.clients.find_or_add_certified(name.data(), std::time(nullptr)));
}

// Whether the peer is who the outlet's access asks for.
bool HttpConnection::authorise(std::string_view header) {
  // A client sends the same proof with every request until it has seen ours: verified once.
  if (!header.empty() && transport_.ssl() != nullptr && header != authorization_) {
    const auto shown = wire::decode_authorization(header);
    const auto known = shown ? worker_.services_.clients.find(shown->name) : nullptr;
    if (!known || known->shared_key.empty()) return false;
    WipedArray<wire::exporter_bytes> exporter;
    net::export_keying_material(transport_.ssl(), wire::exporter_label, exporter.view());
    const Bytes key = known->shared_key.view();
    if (!equal_constant_time(shown->proof,
                             make_proof(wire::Prover::client, key, exporter.view()))) {
      return false;
    }
    become(known);
    authorization_ = header;
    proof_ = to_hex(make_proof(wire::Prover::hub, key, exporter.view()));
  }
  if (client_ && client_->revoked.load()) return false;
  return worker_.settings_.access == Access::open || client_ != nullptr;
}

asio::awaitable<void> HttpConnection::respond() {
  const std::string_view target = reader_.target();
  if (worker_.settings_.control && target.starts_with("/control/"))
    co_return co_await send_control();

  const auto parsed =
      wire::parse_api_request(reader_.method(), target, reader_.body(), worker_.settings_.api);
  const auto* const page = parsed ? std::get_if<wire::Page>(&*parsed) : nullptr;
  const bool anybody =
      page != nullptr && (*page == wire::Page::health || *page == wire::Page::ready);
  if (!anybody && !authorise(reader_.authorization())) {
    ++worker_.counters_.unauthorised;
    // The name is not worth guessing at: an unknown one and a wrong key are answered alike.
    if (client_ && client_->revoked.load()) {
      co_return co_await refuse(403, "revoked", "this client may draw no more");
    }
    co_return co_await refuse(
        401, "who are you?",
        "connect with a join string ('qanat invite NAME' at the hub), or with a "
        "certificate of the hub's CA");
  }
  if (client_) {
    ++client_->requests;
    client_->last_seen.store(std::time(nullptr));
  }
  if (!parsed) {
    ++(parsed.error().status == 413 ? worker_.counters_.too_large : worker_.counters_.malformed);
    if (client_) ++client_->refused;
    const wire::Refusal& r = parsed.error();
    co_return co_await refuse(r.status, r.error, r.hint, r.retry_after);
  }
  if (page != nullptr) co_return co_await send_page(*page);
  if (const auto* random = std::get_if<wire::RandomRequest>(&*parsed)) {
    co_return co_await send_random(*random);
  }
  if (const auto* pollen = std::get_if<wire::PollenRequest>(&*parsed)) {
    co_return co_await send_pollen(*pollen);
  }
  if (std::holds_alternative<wire::SessionRequest>(*parsed)) co_return co_await send_session();
  co_await send_stream(std::get<wire::StreamRequest>(*parsed));
}

asio::awaitable<void> HttpConnection::send_text(std::string_view type, std::string_view body) {
  const auto lease = worker_.pool_.lease();
  const std::size_t head = write_header(lease.view(), 200, type, body.size());
  const bool written = co_await write(lease.view().first(head));
  if (written) co_await write(as_bytes(body));
  proof_.clear();
}

asio::awaitable<void> HttpConnection::refuse(unsigned status, std::string_view error,
                                             std::string_view hint, unsigned retry_after) {
  const auto lease = worker_.pool_.lease();
  const std::string body = wire::refusal_json(error, hint);
  const std::string extra = retry_after > 0 ? fmt::format("Retry-After: {}\r\n", retry_after)
                            : status == 405 ? "Allow: GET, POST\r\n"
                                            : "";
  if (status == 408) keep_alive_ = false;
  expired_ = false;
  const MutableBytes block = lease.view();
  const std::size_t head = write_header(block, status, "application/json", body.size(), extra);
  std::copy(body.begin(), body.end(), block.begin() + static_cast<std::ptrdiff_t>(head));
  co_await write(block.first(head + body.size()));
  proof_.clear();
}

asio::awaitable<void> HttpConnection::send_control() {
  const ControlAnswer answer =
      worker_.settings_.control(reader_.method(), reader_.target(), reader_.body());
  const auto lease = worker_.pool_.lease();
  const std::size_t head =
      write_header(lease.view(), answer.status, "application/json", answer.body.size());
  const bool written = co_await write(lease.view().first(head));
  if (written) co_await write(as_bytes(answer.body));
}

asio::awaitable<void> HttpConnection::send_page(wire::Page page) {
  const OutletServices& services = worker_.services_;
  switch (page) {
    case wire::Page::index:
      co_return co_await send_text("text/plain; charset=utf-8", index_text);
    case wire::Page::health:
      co_return co_await send_text("text/plain", "ok\n");
    case wire::Page::status:
      co_return co_await send_text("application/json", services.status(client_.get()));
    case wire::Page::metrics:
      co_return co_await send_text("text/plain; version=0.0.4; charset=utf-8", services.metrics());
    case wire::Page::ready:
      break;
  }
  if (services.ready()) co_return co_await send_text("text/plain", "ready\n");
  ++worker_.counters_.unavailable;
  co_await refuse(503, "not ready", "the first seed is still being gathered; see /v1/status", 1);
}

}  // namespace qanat::outlets
