// One HTTP connection, from handshake to close.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>

#include "net/peer.h"
#include "net/transport.h"
#include "outlets/http_request_reader.h"
#include "outlets/http_worker.h"

namespace qanat::outlets {

// Lives on its worker's thread, as long as its coroutine.
class HttpConnection {
 public:
  // Plaintext of one TLS record (RFC 8446, 5.1).
  static constexpr std::size_t block_bytes = 16384;

  // Serves until the connection ends.
  static boost::asio::awaitable<void> serve(HttpWorker& worker, UniqueFd fd, net::Peer peer,
                                            crypto::SslPtr ssl);

  HttpConnection(HttpWorker& worker, UniqueFd fd, net::Peer peer, crypto::SslPtr ssl);
  ~HttpConnection();

  // Called by the worker.
  void expire(TimePoint now);
  void drain();
  void close();
  const share::Client* client() const { return client_.get(); }

 private:
  template <typename T>
  using Task = boost::asio::awaitable<T>;

  Task<void> run();
  Task<bool> handshake();
  Task<bool> read_request();
  Task<bool> wait(net::IoStatus status);
  Task<bool> write(Bytes bytes);
  Task<void> respond();

  bool authorise(std::string_view header);
  void identify_by_certificate();
  share::FlowId flow();
  void become(std::shared_ptr<share::Client> client);

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

  // Full-entropy bytes, all of them or none: waits in line until `deadline`, or until the peer has
  // gone.
  struct Drawn {
    SecretBytes bytes;
    share::Withdrawal withdrawal;
  };
  Task<std::optional<Drawn>> draw(std::size_t bytes, Duration wait);
  bool peer_has_gone() const;

  std::size_t write_header(MutableBytes block, unsigned status, std::string_view type,
                           std::optional<std::uint64_t> length, std::string_view extra = {}) const;
  void arm(Duration limit);
  // Until then, or until the connection must end.
  Task<void> pause(TimePoint end);
  Duration charge(std::uint64_t bytes);
  void count_full(std::size_t bytes);
  void count_drbg(std::size_t bytes);

  HttpWorker& worker_;
  UniqueFd fd_;
  Socket socket_;
  net::Transport transport_;
  HttpRequestReader reader_;
  const net::Peer peer_;
  std::shared_ptr<share::Client> client_;
  std::shared_ptr<share::Flow> visitor_;  // its share while it has no name
  std::string proof_;                     // to be sent with the next answer
  std::string authorization_;             // the last that was accepted on this connection
  TimePoint deadline_ = TimePoint::max();
  boost::asio::steady_timer* waiting_ = nullptr;  // while in line
  bool keep_alive_ = true;
  bool busy_ = false;  // between a request's first byte and its answer's last
  bool expired_ = false;
  bool delivered_ = false;  // the last body went out whole
  bool closing_ = false;    // told to end
  bool draining_ = false;
};

}  // namespace qanat::outlets
