// One HTTP connection, from handshake to close.
#pragma once

#include "outlets/http_request_reader.h"
#include "outlets/http_worker.h"
#include "outlets/stream_connection.h"

namespace qanat::outlets {

class HttpConnection final : public StreamConnection {
 public:
  // Plaintext of one TLS record (RFC 8446, 5.1).
  static constexpr std::size_t block_bytes = 16384;

  // Serves until the connection ends.
  static boost::asio::awaitable<void> serve(HttpWorker& worker, UniqueFd fd, net::Peer peer,
                                            crypto::SslPtr ssl);

  HttpConnection(HttpWorker& worker, UniqueFd fd, net::Peer peer, crypto::SslPtr ssl);

 private:
  Task<void> run();
  Task<bool> handshake();
  Task<bool> read_request();
  Task<void> respond();

  bool authorise(std::string_view header);
  void identify_by_certificate();

  Task<void> send_text(std::string_view type, std::string_view body);
  Task<void> refuse(unsigned status, std::string_view error, std::string_view hint,
                    unsigned retry_after = 0);
  Task<bool> refuse_hopeless(std::size_t bytes, Duration patience);
  Task<void> refuse_full(std::size_t bytes, Duration waited);
  Task<bool> refuse_fast(std::uint64_t bytes);
  Task<void> refuse_unseeded();
  Task<void> send_page(wire::Page page);
  Task<void> send_control();
  Task<void> send_random(const wire::RandomRequest& request);
  Task<void> send_random_body(const wire::RandomRequest& request, Bytes full);
  Task<void> send_pollen(const wire::PollenRequest& request);
  Task<void> send_session();
  Task<void> send_stream(const wire::StreamRequest& request);

  std::size_t write_header(MutableBytes block, unsigned status, std::string_view type,
                           std::optional<std::uint64_t> length, std::string_view extra = {}) const;

  HttpWorker& worker_;
  HttpRequestReader reader_;
  std::string proof_;          // to be sent with the next answer
  std::string authorization_;  // the last that was accepted on this connection
  bool delivered_ = false;     // the last body went out whole
};

}  // namespace qanat::outlets
