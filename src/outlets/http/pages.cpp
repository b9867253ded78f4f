// The part of HttpConnection that shows the node: documents, the dashboard, events.
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <boost/json.hpp>
#include <optional>

#include "observe/status.h"
#include "outlets/http/connection.h"
#include "outlets/http/index_page.h"

namespace qanat::outlets {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

// Where nothing is told, so often that proxies and browsers keep the connection and a peer that has
// gone is noticed.
constexpr Duration silence = 15s;

constexpr std::string_view json_type = "application/json";
constexpr std::string_view html_type = "text/html; charset=utf-8";

// Of a page: nothing but what is this hub's own, no frame around it, and no sniffing.
constexpr std::string_view page_fields =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src "
    "'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors "
    "'none'\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "Cross-Origin-Opener-Policy: same-origin\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n";

const WebFile* find_file(std::string_view path) {
  const auto files = web_files();
  const auto found = std::find_if(files.begin(), files.end(),
                                  [path](const auto& file) { return file.path == path; });
  return found == files.end() ? nullptr : &*found;
}

std::string html_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string chunk_of(std::string_view text) {
  return fmt::format("{:x}\r\n{}\r\n", text.size(), text);
}

}  // namespace

asio::awaitable<void> HttpConnection::send_page(wire::Page page) {
  const HttpServices& node = worker_.http_;
  switch (page) {
    case wire::Page::index:
      co_return co_await send_index();
    case wire::Page::health:
      co_return co_await send_whole(200, "text/plain", "ok\n");
    case wire::Page::status:
      co_return co_await send_status();
    case wire::Page::ready:
      break;
  }
  if (node.ready()) co_return co_await send_whole(200, "text/plain", "ready\n");
  ++worker_.counters_.unavailable;
  const std::string shortage = node.shortage();
  const std::string_view hint =
      shortage.empty() ? std::string_view("the first seed is still being gathered") : shortage;
  co_await refuse(503, "not ready", hint, 1);
}

// A browser gets the dashboard; curl keeps its text.
asio::awaitable<void> HttpConnection::send_index() {
  if (!wire::prefers_html(reader_.fields().accept)) {
    co_return co_await send_whole(200, "text/plain; charset=utf-8", index_text, "Vary: Accept\r\n");
  }
  // Where loopback is closed, a browser asks its user for a token, as elsewhere.
  const bool closed = client_ == nullptr && peer_.local && !viewer().all;
  if (closed) {
    ++worker_.counters_.unauthorised;
    co_return co_await refuse(401, "who are you?",
                              "enter an observer's token as the password ('qanat invite --observer "
                              "NAME' prints one)");
  }
  if (const WebFile* const file = find_file("/")) co_return co_await send_file(*file);
  co_await send_status_page();
}

// Of a program without the dashboard: what `qanat status` says, once more every few seconds.
asio::awaitable<void> HttpConnection::send_status_page() {
  const bool refused = co_await refuse_often(serve::Made::document);
  if (refused) co_return;
  const std::string body = fmt::format(
      "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>qanat</title>"
      "<meta name=\"viewport\" content=\"width=device-width\">"
      "<meta http-equiv=\"refresh\" content=\"5\"></head><body><main><h1>qanat</h1><pre>{}</pre>"
      "<p>This program was built without its dashboard, for want of "
      "npm.</p></main></body></html>\n",
      html_escaped(worker_.http_.status_text(viewer())));
  const std::string fields = std::string(page_fields) + "Vary: Accept\r\n";
  co_await send_whole(200, html_type, body, fields);
}

asio::awaitable<void> HttpConnection::send_file(const WebFile& file) {
  const bool gzip = wire::takes_gzip(reader_.fields().accept_encoding);
  std::string fields = std::string(page_fields) + "Vary: Accept, Accept-Encoding\r\n";
  if (gzip) fields += "Content-Encoding: gzip\r\n";
  co_await send_whole(200, file.type, gzip ? file.gzip : file.identity, fields,
                      file.immutable ? "public, max-age=31536000, immutable" : "no-cache");
}

asio::awaitable<void> HttpConnection::send_asset(std::string_view path) {
  const WebFile* const file = find_file(path);
  if (file != nullptr) co_return co_await send_file(*file);
  ++worker_.counters_.malformed;
  co_await refuse(404, "no such page", "see GET / for what there is");
}

// What is made for whoever asks, at a rate.
template <typename Make>
asio::awaitable<void> HttpConnection::send_document(std::string_view type, Make make) {
  const bool refused = co_await refuse_often(serve::Made::document);
  if (refused) co_return;
  const std::string text = make();
  co_await send_whole(200, type, text);
}

asio::awaitable<void> HttpConnection::send_status() {
  return send_document(json_type, [this] { return worker_.http_.status(viewer()); });
}

asio::awaitable<void> HttpConnection::send_metrics(const wire::MetricsRequest& request) {
  return send_document(
      "text/plain; version=0.0.4; charset=utf-8",
      [this, clients = request.clients] { return worker_.http_.metrics(viewer(), clients); });
}

asio::awaitable<void> HttpConnection::send_history(const wire::HistoryRequest& request) {
  return send_document(
      json_type, [this, span = request.span] { return worker_.http_.history(viewer(), span); });
}

// The events that the viewer has not seen yet, as they go over the wire.
std::string HttpConnection::news_since(observe::EventId& last,
                                       const observe::Viewer& viewer) const {
  std::string out;
  const observe::Events& events = worker_.http_.events;
  if (events.last() == last) return out;
  for (const observe::Event& event : events.since(last)) {
    last = {events.last().run, event.number};
    if (!observe::may_see(event, viewer)) continue;
    out += fmt::format("id: {}\ndata: {}\n\n", event.id,
                       boost::json::serialize(observe::event_document(event)));
  }
  return out;
}

// Server-sent events (HTML Living Standard, 9.2), until the peer goes, is revoked, or the node
// stops. Nothing is kept for one that is slow: it misses pictures, and events that it has not taken
// when they are forgotten.
asio::awaitable<void> HttpConnection::send_events(const wire::EventsRequest& request) {
  if (!reader_.knows_chunks()) {
    co_return co_await refuse(505, "a stream is chunked, and HTTP/1.0 knows no chunks",
                              "ask with HTTP/1.1, or for /v1/status");
  }
  const bool refused = co_await refuse_often(serve::Made::document);
  if (refused) co_return;
  const std::string head =
      header(200, "text/event-stream; charset=utf-8", std::nullopt, "X-Accel-Buffering: no\r\n");
  if (head_only_) co_return co_await send_head(head);
  if (!worker_.make_room_for_follower(peer_.block)) {
    ++worker_.counters_.documents;
    if (client_) ++client_->refused;
    co_return co_await refuse(429, "too many follow the events here",
                              "close some, or ask for /v1/status now and then", 10);
  }
  const HttpWorker::Follower place(worker_, *this);
  // The picture of all is made once for all; a client's own for itself.
  // What he may see may change while he looks: a token is revoked, loopback is closed.
  observe::Viewer looks = viewer();
  observe::LiveStatus& live = worker_.http_.live_status;
  std::optional<observe::LiveStatus::Watcher> watching;
  if (request.status && looks.all) watching.emplace(live);
  observe::EventId last =
      observe::EventId::parse(reader_.fields().last_event_id).value_or(observe::EventId());
  const observe::LiveStatus::Frame old = live.frame();
  observe::LiveStatus::Frame shown = old;
  TimePoint next_own = worker_.services_.clock.now();
  std::string text = "retry: 1000\n\n";
  text += news_since(last, looks);
  if (request.status) {
    text += fmt::format("event: status\ndata: {}\n\n", worker_.http_.live(looks));
    next_own += 1s;
  }
  bool written = co_await write(as_bytes(head));
  proof_.clear();
  bool silent_peer = true;
  while (written && !ending()) {
    const std::string chunk = chunk_of(text);
    written = co_await write(as_bytes(chunk));
    text.clear();
    const TimePoint quiet_until = worker_.services_.clock.now() + silence;
    while (written && !ending() && text.empty()) {
      const TimePoint now = worker_.services_.clock.now();
      looks = viewer();
      if (!looks.all) {
        watching.reset();
      } else if (request.status && !watching) {
        watching.emplace(live);
      }
      text += news_since(last, looks);
      if (watching && live.frame() != shown) {
        shown = live.frame();
        text += fmt::format("event: status\ndata: {}\n\n", *shown);
      } else if (request.status && !watching && now >= next_own) {
        next_own = now + 1s;
        const Duration wait = serve::take_made(worker_.services_, worker_.settings_.limits, peer_,
                                               client_.get(), serve::Made::document, now);
        // Who has had too many documents misses this one.
        if (wait == Duration::zero()) {
          text += fmt::format("event: status\ndata: {}\n\n", worker_.http_.live(looks));
        }
      }
      if (!text.empty()) break;
      if (now >= quiet_until) {
        text = ":\n\n";
        break;
      }
      // Woken by the bell, at each event and each picture; for its own picture by itself.
      const bool own = request.status && !watching;
      silent_peer =
          co_await await_news(own ? std::min(quiet_until, next_own) : quiet_until, silent_peer);
    }
  }
  keep_alive_ = false;
  if (written && !closing()) co_await write(as_bytes("0\r\n\r\n"));
}

}  // namespace qanat::outlets
