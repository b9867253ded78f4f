// One connected, non-blocking stream socket, with or without TLS: tries to read and write at once
// and says what to wait for. Who waits, and how, is the caller's: a coroutine or poll().
#pragma once

#include "base/files.h"
#include "crypto/openssl.h"

namespace qanat::net {

enum class IoStatus {
  ok,
  want_read,   // nothing now: try again when the socket is readable
  want_write,  // when it is writable
  closed,      // the peer has ended the stream
  failed,      // a reset, not TLS, or TLS messages without end that carry no data
};

struct IoResult {
  IoStatus status = IoStatus::ok;
  std::size_t bytes = 0;
};

// Does not own the socket. SIGPIPE must be ignored. One thread at a time.
class Transport {
 public:
  // Without `ssl`: plain.
  explicit Transport(int fd, crypto::SslPtr ssl = nullptr);

  // TLS from here on: of a server that waits for a peer's first byte before it spends memory.
  void secure(crypto::SslPtr ssl);

  // As server or client; ok at once without TLS.
  IoStatus handshake();
  IoResult read(MutableBytes out);
  IoResult write(Bytes bytes);
  // Sends TLS's close_notify, if that is possible at once.
  void shutdown();

  // Whether bytes wait inside TLS that the socket no longer shows.
  bool pending() const { return ssl_ && SSL_has_pending(ssl_.get()) == 1; }
  SSL* ssl() const { return ssl_.get(); }

 private:
  IoStatus status_of(int result);

  int fd_;
  crypto::SslPtr ssl_;
  unsigned idle_messages_ = 0;
};

}  // namespace qanat::net
