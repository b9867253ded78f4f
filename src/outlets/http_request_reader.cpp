#include "outlets/http_request_reader.h"

#include <boost/beast/http/error.hpp>
#include <utility>

namespace qanat::outlets {

namespace http = boost::beast::http;

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
      return refuse(411, "chunked bodies are not taken", "send a Content-Length");
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
  constexpr unsigned http_1_1 = 11;
  fields_ = {};
  bool has_host = false;
  for (const auto& field : parser_->get()) {
    const auto once = [&](std::string_view& place, bool seen) {
      place = {field.value().data(), field.value().size()};
      if (seen) refuse(400, "a field twice", std::string(field.name_string()));
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
      case http::field::sec_fetch_site:
        once(fields_.fetch_site, fields_.fetch_site.data() != nullptr);
        break;
      default:
        break;
    }
    if (state_ == State::refused) return;
  }
  if (!has_host && parser_->get().version() >= http_1_1) {
    refuse(400, "no Host", "HTTP/1.1 wants one: RFC 9112, 3.2");
  }
}

void HttpRequestReader::refuse(unsigned status, std::string_view error, std::string hint) {
  refusal_ = {status, error, std::move(hint)};
  state_ = State::refused;
}

std::string_view HttpRequestReader::method() const {
  const auto text = parser_->get().method_string();
  return {text.data(), text.size()};
}

std::string_view HttpRequestReader::target() const {
  const auto text = parser_->get().target();
  return {text.data(), text.size()};
}

}  // namespace qanat::outlets
