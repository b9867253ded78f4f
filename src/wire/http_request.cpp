#include "wire/http_request.h"

#include <algorithm>
#include <array>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>
#include <utility>

namespace qanat::wire {

namespace http = boost::beast::http;

namespace {
constexpr unsigned http_1_1 = 11;
}

HttpRequestReader::State HttpRequestReader::feed(Bytes input) {
  if (state_ == State::refused || input.empty()) return state_;
  if (state_ == State::complete) {
    left_.insert(left_.end(), input.begin(), input.end());
    return state_;
  }
  if (left_.empty()) {
    parse(input);
  } else {
    left_.insert(left_.end(), input.begin(), input.end());
    const std::vector<std::uint8_t> all = std::exchange(left_, {});
    parse(all);
  }
  return state_;
}

HttpRequestReader::State HttpRequestReader::next() {
  parser_.reset();
  told_ = false;
  state_ = State::empty;
  const std::vector<std::uint8_t> all = std::exchange(left_, {});
  return feed(all);
}

void HttpRequestReader::parse(Bytes input) {
  if (!parser_) {
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(header_limit_));
    parser_->body_limit(body_limit_);
  }
  state_ = State::partial;
  boost::system::error_code problem;
  while (!parser_->is_done() && !input.empty()) {
    const std::size_t used =
        parser_->put(boost::asio::const_buffer(input.data(), input.size()), problem);
    input = input.subspan(used);
    if (problem && problem != http::error::need_more) break;
    // A put ends with the header. Beast 1.81 trips over its own assertion in some chunked bodies
    // (found by fuzzing), and no client of ours sends any.
    if (parser_->is_header_done() && parser_->chunked()) {
      return refuse(411, "a chunked body is not supported", "send a Content-Length");
    }
    if (used == 0) break;
  }
  if (problem == http::error::header_limit) {
    return refuse(431, "header too large", "at most 8 KiB");
  }
  if (problem == http::error::body_limit) return refuse(413, "body too large", "at most 8 KiB");
  if (problem && problem != http::error::need_more) {
    return refuse(400, "malformed HTTP", problem.message());
  }
  left_.assign(input.begin(), input.end());
  if (!parser_->is_done()) return;
  state_ = State::complete;
  check_fields();
}

// What may be there once only: of two, this end might believe the one and a proxy the other.
void HttpRequestReader::check_fields() {
  fields_ = {};
  bool has_host = false;
  for (const auto& field : parser_->get()) {
    const auto once = [&](std::string_view& place, bool seen) {
      place = {field.value().data(), field.value().size()};
      if (seen) refuse(400, "a field twice", std::string(field.name_string()));
    };
    const auto first = [&](std::string_view& place) {
      if (place.data() == nullptr) place = {field.value().data(), field.value().size()};
    };
    switch (field.name()) {
      case http::field::host:
        once(fields_.host, std::exchange(has_host, true));
        break;
      case http::field::authorization:
        once(fields_.authorization, fields_.authorization.data() != nullptr);
        break;
      case http::field::origin:
        once(fields_.origin, fields_.origin.data() != nullptr);
        break;
      case http::field::transfer_encoding:
        // Where this reader sees no body, a proxy in front of it may see one.
        refuse(400, "Transfer-Encoding is not taken", "send a Content-Length");
        break;
      case http::field::sec_fetch_site:
        once(fields_.fetch_site, fields_.fetch_site.data() != nullptr);
        break;
      case http::field::accept:
        first(fields_.accept);
        break;
      case http::field::accept_encoding:
        first(fields_.accept_encoding);
        break;
      default:
        // Beast does not know it by number.
        if (boost::beast::iequals(field.name_string(), "Last-Event-ID")) {
          first(fields_.last_event_id);
        }
        break;
    }
    if (state_ == State::refused) return;
  }
  if (!has_host && parser_->get().version() >= http_1_1) {
    return refuse(400, "no Host", "HTTP/1.1 wants one: RFC 9112, 3.2");
  }
  find_target();
}

// "http://host/path", as it is sent to proxies, names its host itself: RFC 9112, 3.2.2.
void HttpRequestReader::find_target() {
  target_ = {parser_->get().target().data(), parser_->get().target().size()};
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!boost::beast::iequals(target_.substr(0, scheme.size()), scheme)) continue;
    target_.remove_prefix(scheme.size());
    const std::size_t path = std::min(target_.find_first_of("/?"), target_.size());
    fields_.host = target_.substr(0, path);
    target_ = path < target_.size() ? target_.substr(path) : "/";
    if (fields_.host.empty()) refuse(400, "no host in the target", "write it: RFC 9110, 4.2.1");
    return;
  }
}

// RFC 9110, 10.1.1.
bool HttpRequestReader::expects_word() {
  if (state_ != State::partial || told_ || !parser_->is_header_done()) return false;
  const auto& request = parser_->get();
  told_ = true;
  return request.version() >= http_1_1 &&
         boost::beast::iequals(request[http::field::expect], "100-continue");
}

void HttpRequestReader::refuse(unsigned status, std::string_view error, std::string hint) {
  refusal_ = {status, error, std::move(hint)};
  state_ = State::refused;
}

std::string_view HttpRequestReader::method() const {
  const auto text = parser_->get().method_string();
  return {text.data(), text.size()};
}

bool HttpRequestReader::knows_chunks() const { return parser_->get().version() >= http_1_1; }

bool begins_request(std::string_view first) {
  constexpr std::array<std::string_view, 6> methods{"GET ", "POST", "HEAD", "PUT ", "OPTI", "DELE"};
  return std::find(methods.begin(), methods.end(), first.substr(0, 4)) != methods.end();
}

}  // namespace qanat::wire
