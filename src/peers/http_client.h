// A blocking HTTP/1.1 client over TLS, plain TCP or a UNIX socket, that keeps its connection.
#pragma once

#include <sys/socket.h>

#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/waker.h"
#include "crypto/certificate.h"
#include "net/tls.h"
#include "wire/http_api.h"
#include "wire/join_string.h"

namespace qanat::peers {

// Where to and how to be sure of it.
struct Endpoint {
  std::string unix_path;  // when not empty: this socket, plain, and nothing below matters
  spec::Address address;
  bool tls = true;
  net::ClientTls trust;
  std::string client_name;  // with a pre-shared key: both sides prove it
  SecretBytes shared_key;
  bool pollen = false;  // it knows pollen's POST / only

  // For people; holds no secret.
  std::string text() const;
};

Endpoint endpoint_of(wire::JoinString join);
Endpoint unix_endpoint(std::string path);

enum class Trouble {
  unreachable,  // no connection, or it broke, or nothing came in time: try again later
  distrusted,   // wrong pin or certificate, or no proof of the shared key: stop and tell a person
  refused,      // 4xx but 429: asking again is of no use
  busy,         // 429 or 503: later
  protocol,     // no sense in what came
  stopped,      // the waker was woken
};

struct ClientError {
  Trouble trouble;
  std::string message;
  unsigned retry_after = 0;  // seconds, when the server said so
};

struct Response {
  unsigned status = 0;
  std::map<std::string, std::string, std::less<>> headers;  // names in lower case
  std::uint64_t body_bytes = 0;
};

// One thread at a time; `waker` stops it from another.
class HttpClient {
 public:
  struct Timeouts {
    Duration connect = std::chrono::seconds(10);  // with the TLS handshake
    Duration silence = std::chrono::seconds(30);  // between two pieces of a response
  };

  HttpClient(Endpoint endpoint, const Waker& waker, Timeouts timeouts);
  HttpClient(Endpoint endpoint, const Waker& waker) : HttpClient(std::move(endpoint), waker, {}) {}
  ~HttpClient();

  // What one exchange may cost, whatever the server does: beside `silence`, which a server that
  // drips a byte now and then never exceeds.
  struct Bounds {
    // From the connection's beginning to the response's last byte; none only where a person looks
    // on.
    std::optional<Duration> whole;
    // From the response's first byte to its last: a hub has all of it then, so that one that is dry
    // may be waited for longer than one that drips.
    std::optional<Duration> answer;
    std::uint64_t body = std::numeric_limits<std::uint64_t>::max();  // of a 200, bytes
    bool any_2xx = false;  // 201, 202, 204 and the like are success, too
  };

  // Called with each piece of a 200's body as it comes, in memory that is wiped after; false ends
  // the transfer.
  using OnBody = std::function<bool(Bytes)>;
  // A connection that the server closed while idle is opened again, once. A status other than 200
  // is an error with the server's words in it; what exceeds `bounds` is one, too.
  tl::expected<Response, ClientError> request(const std::string& method, const std::string& target,
                                              const std::string& body, const OnBody& on_body,
                                              std::string_view content_type, const Bounds& bounds);
  tl::expected<Response, ClientError> get(const std::string& target, const OnBody& on_body,
                                          const Bounds& bounds) {
    return request("GET", target, "", on_body, "", bounds);
  }
  tl::expected<Response, ClientError> get(const std::string& target, const OnBody& on_body) {
    return request("GET", target, "", on_body, "", Bounds());
  }
  // Random bytes. What is of another grade than asked, or another size, is Trouble::protocol: of
  // such an answer nothing is handed on, or nothing more once its end shows it.
  tl::expected<Response, ClientError> random(const wire::RandomRequest& wanted,
                                             const OnBody& on_body, Bounds bounds);
  tl::expected<Response, ClientError> random(const wire::RandomRequest& wanted,
                                             const OnBody& on_body) {
    return random(wanted, on_body, Bounds());
  }
  // The body as text, at most `limit` bytes, within half a minute: for what is not secret.
  tl::expected<std::string, ClientError> text(const std::string& method, const std::string& target,
                                              const std::string& body = "",
                                              std::size_t limit = 16 << 20);

  const Endpoint& endpoint() const { return endpoint_; }
  // Of the server's key on the present connection; nullopt without TLS.
  std::optional<crypto::Pin> server_key() const;
  // The address at the other end; nullopt without a connection or where it is none of IP.
  std::optional<sockaddr_storage> peer() const;
  // Exported keying material (RFC 8446, 7.5) of the present connection; false without TLS.
  bool exporter(std::string_view label, MutableBytes out) const;
  // What the server said last of the nodes behind its bytes (wire/path.h): in the response's
  // header, or with a later chunk of it. Not decoded.
  const std::string& path() const { return path_; }
  void disconnect();

 private:
  struct Connection;
  class Exchange;

  tl::expected<Response, ClientError> exchange(const std::string& method, const std::string& target,
                                               const std::string& body, const OnBody& on_body,
                                               std::string_view content_type, const Bounds& bounds,
                                               const wire::RandomRequest* wanted);
  tl::expected<void, ClientError> connect();
  tl::expected<void, ClientError> begin(UniqueFd fd, const std::string& name);
  void answer_begins();
  // `limit`, or what is left of the exchange's time.
  Duration at_most(Duration limit) const;

  Endpoint endpoint_;
  const Waker& waker_;
  Timeouts timeouts_;
  crypto::SslCtxPtr context_;
  std::unique_ptr<Connection> connection_;
  SecretBytes inbox_;
  std::string path_;
  Bounds bounds_;  // of the present exchange
  TimePoint began_{};
  std::optional<TimePoint> end_;  // of it, by `bounds_`
};

}  // namespace qanat::peers
