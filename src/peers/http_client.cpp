#include "peers/http_client.h"

#include <fmt/core.h>

#include <algorithm>

#include "net/connect.h"
#include "net/discover.h"
#include "net/transport.h"
#include "peers/http_exchange.h"
#include "wire/path.h"
#include "wire/proof.h"

namespace qanat::peers {

using wire::Prover;

namespace {

constexpr std::size_t inbox_bytes = 64 << 10;
// For a short text: a session, a word to a node.
constexpr Duration text_patience = std::chrono::seconds(30);

}  // namespace

std::string Endpoint::text() const {
  if (!unix_path.empty()) return unix_path;
  return (tls ? "https://" : "http://") + address.text();
}

Endpoint endpoint_of(wire::JoinString join) {
  Endpoint endpoint;
  endpoint.address = std::move(join.address);
  endpoint.trust.pin = join.pin;
  endpoint.client_name = std::move(join.name);
  endpoint.shared_key = std::move(join.key);
  return endpoint;
}

Endpoint unix_endpoint(std::string path) {
  Endpoint endpoint;
  endpoint.unix_path = std::move(path);
  endpoint.tls = false;
  return endpoint;
}

HttpClient::HttpClient(Endpoint endpoint, const Waker& waker, Timeouts timeouts)
    : endpoint_(std::move(endpoint)), waker_(waker), timeouts_(timeouts), inbox_(inbox_bytes) {
  if (endpoint_.tls) context_ = net::make_client_context(endpoint_.trust);
}

HttpClient::~HttpClient() { disconnect(); }

Duration HttpClient::at_most(Duration limit) const {
  if (!end_) return limit;
  return std::clamp<Duration>(*end_ - Clock().now(), Duration::zero(), limit);
}

bool HttpClient::exporter(std::string_view label, MutableBytes out) const {
  if (!connection_ || connection_->transport.ssl() == nullptr) return false;
  net::export_keying_material(connection_->transport.ssl(), label, out);
  return true;
}

std::optional<crypto::Pin> HttpClient::server_key() const {
  if (!connection_ || connection_->transport.ssl() == nullptr) return std::nullopt;
  const X509* const certificate = SSL_get0_peer_certificate(connection_->transport.ssl());
  if (certificate == nullptr) return std::nullopt;
  return crypto::pin_of(certificate);
}

std::optional<sockaddr_storage> HttpClient::peer() const {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (!connection_ ||
      ::getpeername(connection_->fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return std::nullopt;
  }
  if (address.ss_family != AF_INET && address.ss_family != AF_INET6) return std::nullopt;
  return address;
}

void HttpClient::disconnect() {
  if (connection_) connection_->transport.shutdown();
  connection_.reset();
}

tl::expected<void, ClientError> HttpClient::connect() {
  if (!endpoint_.unix_path.empty()) {
    auto fd = net::connect_unix(endpoint_.unix_path);
    if (!fd) return trouble(Trouble::unreachable, fd.error().message);
    return begin(std::move(*fd), "");
  }
  std::vector<net::Place> places{{endpoint_.address, endpoint_.address.host}};
  if (spec::is_service_name(endpoint_.address.host)) {
    auto found = net::discover(endpoint_.address.host, waker_);
    if (!found && found.error().interrupted) return trouble(Trouble::stopped, "stopped");
    if (!found) return trouble(Trouble::unreachable, found.error().message);
    places = std::move(*found);
  }
  // A service may be several hubs, of which some are down, and one has the pinned key.
  tl::expected<void, ClientError> outcome;
  for (const net::Place& place : places) {
    auto fd = net::connect_tcp(place.address, waker_, at_most(timeouts_.connect));
    if (fd) {
      outcome = begin(std::move(*fd), place.certificate_name);
    } else if (fd.error().interrupted) {
      return trouble(Trouble::stopped, "stopped");
    } else {
      outcome = trouble(Trouble::unreachable, fd.error().message);
    }
    if (outcome || outcome.error().trouble == Trouble::stopped) return outcome;
  }
  return outcome;
}

void HttpClient::answer_begins() {
  if (!bounds_.answer) return;
  const TimePoint end = Clock().now() + *bounds_.answer;
  end_ = end_ ? std::min(*end_, end) : end;
}

// TLS on a connected socket, and the proofs that belong to this connection.
tl::expected<void, ClientError> HttpClient::begin(UniqueFd fd, const std::string& name) {
  crypto::SslPtr ssl;
  if (endpoint_.trust.ca || endpoint_.trust.certificate) {
    // They may have been renewed.
    try {
      context_ = net::make_client_context(endpoint_.trust);
    } catch (const Failure& problem) {
      return trouble(Trouble::unreachable, problem.what());
    }
  }
  if (context_) {
    ssl.reset(SSL_new(context_.get()));
    crypto::require(ssl != nullptr, "TLS");
    SSL_set_connect_state(ssl.get());
    if (!endpoint_.trust.pin) {
      SSL_set1_host(ssl.get(), name.c_str());
    }
    SSL_set_tlsext_host_name(ssl.get(), name.c_str());
  }
  const int descriptor = fd.get();
  connection_ = std::make_unique<Connection>(
      Connection{std::move(fd), net::Transport(descriptor, std::move(ssl)), {}, {}, false, false});
  net::Transport& transport = connection_->transport;
  const auto end = std::chrono::steady_clock::now() + at_most(timeouts_.connect);
  for (;;) {
    const net::IoStatus status = transport.handshake();
    if (status == net::IoStatus::ok) break;
    const bool waiting = status == net::IoStatus::want_read || status == net::IoStatus::want_write;
    const auto left = end - std::chrono::steady_clock::now();
    const Wake wake =
        waiting ? wait_for(descriptor, status == net::IoStatus::want_read ? POLLIN : POLLOUT,
                           waker_, std::max(left, Duration::zero()))
                : Wake::ready;
    if (waiting && wake == Wake::ready) continue;
    const bool distrusted = SSL_get_verify_result(transport.ssl()) != X509_V_OK;
    std::string why = wake == Wake::timeout ? "no TLS answer in time"
                      : wake == Wake::woken ? "stopped"
                                            : net::handshake_error(transport.ssl());
    connection_.reset();
    if (wake == Wake::woken) return trouble(Trouble::stopped, "stopped");
    return trouble(distrusted ? Trouble::distrusted : Trouble::unreachable,
                   endpoint_.text() + ": " + why);
  }
  if (!endpoint_.shared_key.empty()) {
    WipedArray<wire::exporter_bytes> exporter;
    net::export_keying_material(transport.ssl(), wire::exporter_label, exporter.view());
    const Bytes key = endpoint_.shared_key.view();
    connection_->authorization = encode(wire::Authorization{
        endpoint_.client_name, make_proof(Prover::client, key, exporter.view())});
    connection_->hub_proof = make_proof(Prover::hub, key, exporter.view());
  }
  return {};
}

tl::expected<Response, ClientError> HttpClient::request(
    const std::string& method, const std::string& target, const std::string& body,
    const OnBody& on_body, std::string_view content_type, const Bounds& bounds) {
  return exchange(method, target, body, on_body, content_type, bounds, nullptr);
}

tl::expected<Response, ClientError> HttpClient::random(const wire::RandomRequest& wanted,
                                                       const OnBody& on_body, Bounds bounds) {
  bounds.body = wire::body_size(wanted);
  return exchange("GET", encode(wanted), "", on_body, "", bounds, &wanted);
}

tl::expected<Response, ClientError> HttpClient::exchange(
    const std::string& method, const std::string& target, const std::string& body,
    const OnBody& on_body, std::string_view content_type, const Bounds& bounds,
    const wire::RandomRequest* wanted) {
  bounds_ = bounds;
  began_ = Clock().now();
  end_.reset();
  if (bounds.whole) end_ = began_ + *bounds.whole;
  for (;;) {
    const bool reused = connection_ && connection_->used;
    if (!connection_) {
      if (auto connected = connect(); !connected) return tl::unexpected(connected.error());
    }
    connection_->used = true;
    Exchange attempt(*this, on_body, wanted);
    auto response = attempt.run(method, target, body, content_type);
    const bool answered = response || response.error().trouble == Trouble::refused ||
                          response.error().trouble == Trouble::busy;
    if (!answered) disconnect();
    if (!response && reused && attempt.silent_close()) continue;
    return response;
  }
}

tl::expected<std::string, ClientError> HttpClient::text(const std::string& method,
                                                        const std::string& target,
                                                        const std::string& body,
                                                        std::size_t limit) {
  std::string text;
  const auto keep = [&](Bytes piece) {
    text.append(as_text(piece));
    return true;
  };
  const auto response = request(method, target, body, keep, "",
                                {.whole = text_patience, .answer = {}, .body = limit});
  if (!response) return tl::unexpected(response.error());
  return text;
}

}  // namespace qanat::peers
