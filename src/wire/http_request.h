// Bytes to HTTP/1.1 requests, one after the other, in any cut. No sockets; fuzzed
// (tests/fuzz/http_request.cpp). The syntax is Beast's; the limits and what is refused are ours.
#pragma once

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace qanat::wire {

// Not thread-safe. Holds memory only while a part of a request is there.
class HttpRequestReader {
 public:
  enum class State {
    empty,     // between two requests
    partial,   // some of one
    complete,  // a whole one: see the accessors
    refused,   // nothing more can be read: see refusal()
  };
  struct Refusal {
    unsigned status = 400;
    std::string_view error;
    std::string hint;
  };

  HttpRequestReader(std::size_t header_limit, std::size_t body_limit)
      : header_limit_(header_limit), body_limit_(body_limit) {}

  State feed(Bytes input);
  // Forgets the request that was complete, and begins the next with what came after it.
  State next();
  State state() const { return state_; }
  // Whether the peer waits for "100 Continue" before it sends its body. True once a request.
  bool expects_word();

  // In state complete. The views last until `next`.
  std::string_view method() const;
  std::string_view target() const { return target_; }  // "/path?query"
  // Whether an answer may be chunked: HTTP/1.1.
  bool knows_chunks() const;
  // Of the header, each once at most; empty where the header has no such field.
  struct Fields {
    std::string_view host;
    std::string_view authorization;
    std::string_view origin;
    std::string_view fetch_site;  // Sec-Fetch-Site
    // Of these the first counts, as no right hangs on them.
    std::string_view accept;
    std::string_view accept_encoding;
    std::string_view last_event_id;
  };
  const Fields& fields() const { return fields_; }
  const std::string& body() const { return parser_->get().body(); }
  bool keep_alive() const { return parser_->get().keep_alive(); }

  const Refusal& refusal() const { return refusal_; }

 private:
  void parse(Bytes input);
  void check_fields();
  void find_target();
  void refuse(unsigned status, std::string_view error, std::string hint);

  const std::size_t header_limit_;
  const std::size_t body_limit_;
  State state_ = State::empty;
  std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
  std::vector<std::uint8_t> left_;  // received, not parsed
  bool told_ = false;               // to send its body
  Fields fields_;
  std::string_view target_;
  Refusal refusal_;
};

// Whether these are the first bytes of a request, and not of a TLS record.
bool begins_request(std::string_view first);

}  // namespace qanat::wire
