#include "peers/http_exchange.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>

#include "base/shown.h"
#include "wire/path.h"

namespace qanat::peers {

namespace http = boost::beast::http;

namespace {

constexpr std::size_t error_body_bytes = 4096;
// Of a refusal's two parts each, for people. Ours are shorter, but for paths of the file system.
constexpr std::size_t most_words = 1000;
// Of an error's body, before nobody listens any more.
constexpr std::uint64_t most_error_body = 64 << 10;

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

// Of what is no HTTP: a record of TLS begins with its type and version (RFC 8446, 5.1).
std::string odd_answer(const std::array<std::uint8_t, 2>& answer) {
  constexpr std::uint8_t alert = 21;
  constexpr std::uint8_t handshake = 22;
  constexpr std::uint8_t version = 3;
  const bool tls = (answer[0] == alert || answer[0] == handshake) && answer[1] == version;
  return tls ? " speaks TLS: write https:// in place of http://"
             : " does not speak HTTP: is that the right port?";
}

Trouble kind_of(unsigned status) {
  if (status == 429 || status == 503) return Trouble::busy;
  return status >= 500 ? Trouble::unreachable : Trouble::refused;
}

}  // namespace

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
  if (client_.waker_.is_woken()) {
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
  const std::array<std::uint8_t, 2> beginning{filled > 0 ? input[0] : std::uint8_t{},
                                              filled > 1 ? input[1] : std::uint8_t{}};
  while (!parser_.is_done()) {
    parser_.get().body().data = piece.data();
    parser_.get().body().size = piece.size();
    boost::system::error_code problem;
    const std::size_t used =
        parser_.put(boost::asio::const_buffer(input.data(), input.size()), problem);
    wipe(input.first(used));
    input = input.subspan(used);
    if (problem == http::error::need_buffer || problem == http::error::need_more) problem = {};
    if (problem) return trouble(Trouble::protocol, where() + odd_answer(beginning));
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
  const bool any_2xx = client_.bounds_.any_2xx && response_.status / 100 == 2;
  if (response_.status == 200 || any_2xx) return response_;
  if (response_.status == 401 && !client_.endpoint_.shared_key.empty()) {
    return trouble(Trouble::refused, fmt::format("{} answered 401: the hub no longer accepts '{}' "
                                                 "(revoked, or invited again); ask for a "
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
    if (!received) {
      // HTTP/1.0, and many a small server: the body ends with the connection.
      boost::beast::error_code problem;
      if (client_.bounds_.any_2xx && closed_ && header_checked_ && parser_.need_eof()) {
        parser_.put_eof(problem);
        if (!problem && parser_.is_done()) break;
      }
      return tl::unexpected(received.error());
    }
    const auto left = parse(*received);
    if (!left) return tl::unexpected(left.error());
    filled = *left;
  }
  if (!parser_.get().keep_alive()) closed_ = true;
  return conclude();
}

}  // namespace qanat::peers
