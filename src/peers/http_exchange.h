// One request and its response over a connection: a part of http_client.
#pragma once

#include <boost/beast/http.hpp>
#include <functional>
#include <string>

#include "net/transport.h"
#include "peers/http_client.h"
#include "wire/path.h"
#include "wire/proof.h"

namespace qanat::peers {

inline tl::unexpected<ClientError> trouble(Trouble kind, std::string message,
                                           unsigned retry_after = 0) {
  return tl::unexpected(ClientError{kind, std::move(message), retry_after});
}

struct HttpClient::Connection {
  UniqueFd fd;
  net::Transport transport;
  wire::Proof hub_proof{};    // what the hub must answer with
  std::string authorization;  // sent until the hub has proved itself
  bool proven = false;
  bool used = false;
};

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
  boost::beast::http::response_parser<boost::beast::http::buffer_body> parser_;
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

}  // namespace qanat::peers
