#include "peers/http_client.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/json.hpp>
#include <charconv>

#include "base/shown.h"
#include "net/connect.h"
#include "net/discover.h"
#include "net/transport.h"
#include "wire/path.h"
#include "wire/proof.h"

namespace qanat::peers {

namespace http = boost::beast::http;
using wire::Prover;

namespace {

constexpr std::size_t inbox_bytes = 64 << 10;
constexpr std::size_t error_body_bytes = 4096;
// Of a refusal's two parts each, for people. Ours are shorter, but for paths of the file system.
constexpr std::size_t most_words = 1000;
// Of an error's body, before nobody listens any more.
constexpr std::uint64_t most_error_body = 64 << 10;
// For a short text: a session, a word to a node.
constexpr Duration text_patience = std::chrono::seconds(30);

tl::unexpected<ClientError> trouble(Trouble kind, std::string message, unsigned retry_after = 0) {
  return tl::unexpected(ClientError{kind, std::move(message), retry_after});
}

// "reserve empty; ask again later", from {"error": ..., "hint": ...}; else the text itself.
std::string words_of(const std::string& body) {
  boost::system::error_code problem;
  const auto value = boost::json::parse(body, problem);
  const auto* const object = problem ? nullptr : value.if_object();
  const auto* const said = object != nullptr ? object->if_contains("error") : nullptr;
  const auto* const hint = object != nullptr ? object->if_contains("hint") : nullptr;
  if (said == nullptr || !said->is_string()) {
    return shown(std::string_view(body).substr(0, body.find('\n')), most_words);
  }
  std::string words = shown(said->get_string(), most_words);
  if (hint != nullptr && hint->is_string() && !hint->get_string().empty()) {
    words += "; " + shown(hint->get_string(), most_words);
  }
  return words;
}

Trouble kind_of(unsigned status) {
  if (status == 429 || status == 503) return Trouble::busy;
  return status >= 500 ? Trouble::unreachable : Trouble::refused;
}

}  // namespace

struct HttpClient::Connection {
  UniqueFd fd;
  net::Transport transport;
  wire::Proof hub_proof{};    // what the hub must answer with
  std::string authorization;  // sent until the hub has proved itself
  bool proven = false;
  bool used = false;
};

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

// One request and its response on an open connection.
class HttpClient::Exchange {
 public:
  // `wanted`: what the answer must be, where random bytes were asked for.
  Exchange(HttpClient& client, const OnBody& on_body, const wire::RandomRequest* wanted)
      : client_(client), on_body_(on_body), wanted_(wanted) {
    parser_.header_limit(16 << 10);
    parser_.body_limit(boost::none);
    client_.path_.clear();
    parser_.on_chunk_header(on_chunk_);
  }

  tl::expected<Response, ClientError> run(const std::string& method, const std::string& target,
                                          const std::string& body, std::string_view content_type);
  // Whether the server closed before it answered a byte: it may have closed while idle.
  bool silent_close() const { return closed_ && !answered_; }

 private:
  Connection& connection() { return *client_.connection_; }
  std::string where() const { return client_.endpoint_.text(); }
  tl::expected<void, ClientError> check_time() const;
  tl::expected<void, ClientError> await(net::IoStatus status);
  tl::expected<void, ClientError> send(const std::string& request);
  tl::expected<std::size_t, ClientError> receive(std::size_t kept);
  tl::expected<std::size_t, ClientError> parse(std::size_t filled);
  tl::expected<void, ClientError> check_header();
  tl::expected<void, ClientError> check_random();
  tl::unexpected<ClientError> wrong_size(std::uint64_t size) const;
  tl::expected<Response, ClientError> conclude();

  HttpClient& client_;
  const OnBody& on_body_;
  const wire::RandomRequest* const wanted_;
  http::response_parser<http::buffer_body> parser_;
  // Held here: the parser keeps a reference.
  std::function<void(std::uint64_t, boost::core::string_view, boost::beast::error_code&)>
      on_chunk_ =
          [this](std::uint64_t, boost::core::string_view extensions, boost::beast::error_code&) {
            if (const auto path = wire::path_of_chunk({extensions.data(), extensions.size()})) {
              client_.path_ = *path;
            }
          };
  Response response_;
  std::string error_body_;
  bool header_checked_ = false;
  bool closed_ = false;
  bool answered_ = false;
};

tl::expected<void, ClientError> HttpClient::Exchange::await(net::IoStatus status) {
  if (status == net::IoStatus::closed || status == net::IoStatus::failed) {
    closed_ = true;
    return trouble(Trouble::unreachable, where() + " closed the connection");
  }
  const short events = status == net::IoStatus::want_write ? POLLOUT : POLLIN;
  const Duration patience = client_.at_most(client_.timeouts_.silence);
  switch (wait_for(connection().fd.get(), events, client_.waker_, patience)) {
    case Wake::ready:
      return {};
    case Wake::woken:
      return trouble(Trouble::stopped, "stopped");
    case Wake::timeout:
      break;
  }
  if (auto in_time = check_time(); !in_time) return in_time;
  return trouble(Trouble::unreachable, fmt::format("{} was silent for {:.0f} s", where(),
                                                   seconds(client_.timeouts_.silence)));
}

// Of one that always has something to read, and never comes to an end.
tl::expected<void, ClientError> HttpClient::Exchange::check_time() const {
  if (wait_for(-1, 0, client_.waker_, Duration::zero()) == Wake::woken) {
    return trouble(Trouble::stopped, "stopped");
  }
  if (!client_.end_ || Clock().now() < *client_.end_) return {};
  return trouble(Trouble::unreachable,
                 fmt::format("{} is too slow: not done after {:.0f} s", where(),
                             seconds(Clock().now() - client_.began_)));
}

tl::expected<void, ClientError> HttpClient::Exchange::send(const std::string& request) {
  Bytes rest = as_bytes(request);
  while (!rest.empty()) {
    const net::IoResult written = connection().transport.write(rest);
    if (written.status == net::IoStatus::ok) {
      rest = rest.subspan(written.bytes);
    } else if (auto ready = await(written.status); !ready) {
      return ready;
    }
  }
  return {};
}

tl::expected<std::size_t, ClientError> HttpClient::Exchange::receive(std::size_t kept) {
  if (auto in_time = check_time(); !in_time) return tl::unexpected(in_time.error());
  for (;;) {
    const net::IoResult got = connection().transport.read(client_.inbox_.view().subspan(kept));
    if (got.status == net::IoStatus::ok) {
      if (!answered_) client_.answer_begins();
      answered_ = true;
      return kept + got.bytes;
    }
    if (auto ready = await(got.status); !ready) return tl::unexpected(ready.error());
  }
}

tl::expected<void, ClientError> HttpClient::Exchange::check_header() {
  header_checked_ = true;
  response_.status = parser_.get().result_int();
  for (const auto& field : parser_.get()) {
    std::string name(field.name_string());
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    response_.headers[name] = std::string(field.value());
  }
  if (const auto path = response_.headers.find("qanat-path"); path != response_.headers.end()) {
    client_.path_ = path->second;
  }
  if (response_.status == 401 || response_.status == 403) return {};
  if (client_.endpoint_.shared_key.empty() || connection().proven) return check_random();
  const auto found = response_.headers.find("qanat-proof");
  const auto proof =
      found == response_.headers.end() ? std::nullopt : wire::decode_proof(found->second);
  if (!proof || !equal_constant_time(*proof, connection().hub_proof)) {
    return trouble(Trouble::distrusted,
                   where() + " has the pinned key but did not prove the pre-shared key");
  }
  connection().proven = true;
  return check_random();
}

// Before anything of the body is believed.
tl::expected<void, ClientError> HttpClient::Exchange::check_random() {
  if (wanted_ == nullptr || response_.status != 200) return {};
  const std::string_view asked = to_string(wanted_->grade);
  const auto said = response_.headers.find("qanat-grade");
  const bool silent = said == response_.headers.end();
  // Bytes of a grade that nobody names are no more than grade drbg.
  if (silent ? wanted_->grade == spec::Grade::full : said->second != asked) {
    return trouble(Trouble::protocol,
                   silent ? fmt::format("{} does not say of what grade its bytes are; {} was asked",
                                        where(), asked)
                          : fmt::format("{} sent bytes of grade '{}' instead of {}", where(),
                                        shown(said->second), asked));
  }
  const auto length = parser_.content_length();
  if (length && *length != wire::body_size(*wanted_)) return wrong_size(*length);
  return {};
}

tl::unexpected<ClientError> HttpClient::Exchange::wrong_size(std::uint64_t size) const {
  return trouble(Trouble::protocol, fmt::format("{} sent a body of {} bytes instead of {}", where(),
                                                size, wire::body_size(*wanted_)));
}

// Feeds the first `filled` bytes of the inbox to the parser; how many are left over.
tl::expected<std::size_t, ClientError> HttpClient::Exchange::parse(std::size_t filled) {
  WipedArray<16384> piece;
  MutableBytes input = client_.inbox_.view().first(filled);
  while (!parser_.is_done()) {
    parser_.get().body().data = piece.data();
    parser_.get().body().size = piece.size();
    boost::system::error_code problem;
    const std::size_t used =
        parser_.put(boost::asio::const_buffer(input.data(), input.size()), problem);
    wipe(input.first(used));
    input = input.subspan(used);
    if (problem == http::error::need_buffer || problem == http::error::need_more) problem = {};
    if (problem) return trouble(Trouble::protocol, where() + ": not HTTP: " + problem.message());
    if (parser_.is_header_done() && !header_checked_) {
      if (auto ok = check_header(); !ok) return tl::unexpected(ok.error());
    }
    const Bytes body = piece.view().first(piece.size() - parser_.get().body().size);
    if (parser_.is_header_done() && !body.empty()) {
      response_.body_bytes += body.size();
      if (response_.status != 200) {
        error_body_.append(as_text(body).substr(0, error_body_bytes - error_body_.size()));
        if (response_.body_bytes > most_error_body) {
          return trouble(Trouble::protocol, where() + " sent an endless error");
        }
      } else if (response_.body_bytes > client_.bounds_.body) {
        return trouble(Trouble::protocol, fmt::format("{} sent more than the {} bytes asked for",
                                                      where(), client_.bounds_.body));
      } else if (!on_body_(body)) {
        return trouble(Trouble::stopped, "stopped");
      }
    } else if (used == 0) {
      break;
    }
  }
  std::copy(input.begin(), input.end(), client_.inbox_.view().begin());
  return input.size();
}

tl::expected<Response, ClientError> HttpClient::Exchange::conclude() {
  if (response_.status == 200 && wanted_ != nullptr &&
      response_.body_bytes != wire::body_size(*wanted_)) {
    return wrong_size(response_.body_bytes);
  }
  if (response_.status == 200) return response_;
  if (response_.status == 401 && !client_.endpoint_.shared_key.empty()) {
    return trouble(
        Trouble::refused,
        fmt::format(
            "{} answered 401: it no longer accepts '{}' (revoked, or invited again); ask for a "
            "new join string",
            where(), client_.endpoint_.client_name));
  }
  unsigned retry_after = 0;
  if (const auto found = response_.headers.find("retry-after"); found != response_.headers.end()) {
    std::from_chars(found->second.data(), found->second.data() + found->second.size(), retry_after);
  }
  return trouble(
      kind_of(response_.status),
      fmt::format("{} answered {}: {}", where(), response_.status, words_of(error_body_)),
      retry_after);
}

tl::expected<Response, ClientError> HttpClient::Exchange::run(const std::string& method,
                                                              const std::string& target,
                                                              const std::string& body,
                                                              std::string_view content_type) {
  std::string request = fmt::format(
      "{} {} HTTP/1.1\r\nHost: {}\r\n", method, target,
      client_.endpoint_.unix_path.empty() ? client_.endpoint_.address.text() : "localhost");
  if (!connection().authorization.empty() && !connection().proven) {
    request += "Authorization: " + connection().authorization + "\r\n";
  }
  if (method == "POST") request += fmt::format("Content-Length: {}\r\n", body.size());
  if (!content_type.empty()) request += fmt::format("Content-Type: {}\r\n", content_type);
  request += "\r\n" + body;
  if (auto sent = send(request); !sent) return tl::unexpected(sent.error());
  std::size_t filled = 0;
  while (!parser_.is_done()) {
    if (filled == client_.inbox_.size()) {
      return trouble(Trouble::protocol, where() + " sent an endless header");
    }
    const auto received = receive(filled);
    if (!received) return tl::unexpected(received.error());
    const auto left = parse(*received);
    if (!left) return tl::unexpected(left.error());
    filled = *left;
  }
  if (!parser_.get().keep_alive()) closed_ = true;
  return conclude();
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
