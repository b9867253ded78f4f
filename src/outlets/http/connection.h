// One HTTP connection, from handshake to close.
#pragma once

#include "base/block_writer.h"
#include "outlets/http/web_files.h"
#include "outlets/http/worker.h"
#include "serve/rates.h"
#include "serve/stream_connection.h"
#include "wire/http_api.h"
#include "wire/http_request.h"

namespace qanat::outlets {

class HttpConnection final : public serve::StreamConnection {
 public:
  // Plaintext of one TLS record (RFC 8446, 5.1).
  static constexpr std::size_t block_bytes = 16384;

  // Serves until the connection ends.
  static boost::asio::awaitable<void> serve(HttpWorker& worker, serve::Arrival arrival);

  HttpConnection(HttpWorker& worker, serve::Arrival arrival);

  // A client of this protocol comes again when its idle connection has ended.
  bool gives_way() const override { return !busy(); }

 private:
  Task<void> run();
  Task<bool> handshake();
  Task<bool> read_request();
  Task<void> respond();

  // Who asks, and whether he may (access.cpp).
  bool authorise(std::string_view header);
  bool identify_observer(std::string_view header);
  void identify_by_certificate();
  // Why a browser's request is not taken; nullopt: it is, or no browser's.
  std::optional<wire::Refusal> refusal_of_web_page() const;
  observe::Viewer viewer() const;

  // Everything that is sent goes through these: into a block, which is sent whenever it is full.
  Task<bool> put(BlockWriter& out, Bytes bytes);
  Task<bool> flush(BlockWriter& out);
  // A header; without a length the body is chunked. `fields`: whole lines.
  std::string header(unsigned status, std::string_view type, std::optional<std::uint64_t> length,
                     std::string_view fields = {}, std::string_view cache = "no-store") const;

  Task<void> send_whole(unsigned status, std::string_view type, std::string_view body,
                        std::string_view fields = {}, std::string_view cache = "no-store");
  Task<void> send_head(std::string_view head);
  Task<void> refuse(const wire::Refusal& refusal);
  Task<void> refuse(unsigned status, std::string_view error, std::string_view hint,
                    unsigned retry_after = 0);
  Task<void> refuse_over_quota();
  Task<void> refuse_plain_http();
  Task<void> refuse_stranger();
  Task<bool> refuse_often(serve::Made what);
  Task<bool> refuse_hopeless(std::size_t bytes, Duration patience);
  Task<void> refuse_full(std::size_t bytes, Duration waited);
  Task<bool> refuse_fast(std::uint64_t bytes);
  Task<void> refuse_unseeded();
  Task<void> send_page(wire::Page page);
  Task<void> send_index();
  Task<void> send_status_page();
  Task<void> send_file(const WebFile& file);
  Task<void> send_asset(std::string_view path);
  template <typename Make>
  Task<void> send_document(std::string_view type, Make make);
  Task<void> send_status();
  Task<void> send_metrics(const wire::MetricsRequest& request);
  Task<void> send_history(const wire::HistoryRequest& request);
  Task<void> send_events(const wire::EventsRequest& request);
  std::string news_since(observe::EventId& last, const observe::Viewer& viewer) const;
  Task<void> send_control();
  Task<void> send_random(const wire::RandomRequest& request);
  std::string random_header(const wire::RandomRequest& request) const;
  Task<void> send_random_body(const wire::RandomRequest& request, Bytes full);
  Task<void> send_pollen(const wire::PollenRequest& request);
  Task<void> send_session();
  Task<void> send_stream(const wire::StreamRequest& request);

  HttpWorker& worker_;
  wire::HttpRequestReader reader_;
  std::string proof_;          // to be sent with the next answer
  std::string authorization_;  // the last that was accepted on this connection
  bool keep_alive_ = true;     // for a next request
  bool head_only_ = false;     // HEAD: all of the header, nothing of the body
  bool sent_ = false;          // the last of send_whole went out whole
  bool delivered_ = false;     // the last body went out whole
};

}  // namespace qanat::outlets
