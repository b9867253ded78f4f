#include "net/transport.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace qanat::net {
namespace {

// Of a plain socket's -1.
IoStatus status_of_errno(IoStatus would_block) {
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return would_block;
  return IoStatus::failed;
}

}  // namespace

Transport::Transport(int fd, crypto::SslPtr ssl) : fd_(fd) {
  if (ssl) secure(std::move(ssl));
}

void Transport::secure(crypto::SslPtr ssl) {
  ssl_ = std::move(ssl);
  crypto::require(SSL_set_fd(ssl_.get(), fd_) == 1, "TLS socket");
}

IoStatus Transport::status_of(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_NONE:
      return IoStatus::ok;
    case SSL_ERROR_WANT_READ:
      return IoStatus::want_read;
    case SSL_ERROR_WANT_WRITE:
      return IoStatus::want_write;
    case SSL_ERROR_ZERO_RETURN:
      return IoStatus::closed;
    default:
      return IoStatus::failed;
  }
}

IoStatus Transport::handshake() {
  if (!ssl_) return IoStatus::ok;
  ERR_clear_error();
  return status_of(SSL_do_handshake(ssl_.get()));
}

IoResult Transport::read(MutableBytes out) {
  if (ssl_) {
    ERR_clear_error();
    std::size_t n = 0;
    const int result = SSL_read_ex(ssl_.get(), out.data(), out.size(), &n);
    return {result == 1 ? IoStatus::ok : status_of(result), n};
  }
  const ssize_t n = ::recv(fd_, out.data(), out.size(), 0);
  if (n < 0) return {status_of_errno(IoStatus::want_read), 0};
  return {n == 0 ? IoStatus::closed : IoStatus::ok, static_cast<std::size_t>(n)};
}

IoResult Transport::write(Bytes bytes) {
  if (ssl_) {
    ERR_clear_error();
    std::size_t n = 0;
    const int result = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &n);
    return {result == 1 ? IoStatus::ok : status_of(result), n};
  }
  const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (n < 0) return {status_of_errno(IoStatus::want_write), 0};
  return {IoStatus::ok, static_cast<std::size_t>(n)};
}

void Transport::shutdown() {
  if (ssl_ && SSL_is_init_finished(ssl_.get()) == 1) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }
}

}  // namespace qanat::net
