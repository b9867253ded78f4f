#include "net/transport.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace qanat::net {
namespace {

// TLS messages that are no data, between one piece of data and the next: tickets and KeyUpdates. A
// server sends two tickets or four; a peer that sends more than this keeps us busy.
constexpr unsigned most_idle_messages = 32;

// `count`: an unsigned, while a read is under way. As if the peer had said goodbye, the library
// throws away what it has read already: some 600 messages, each of which derives new keys.
void on_message(int sent, int, int type, const void*, std::size_t, SSL* ssl, void* count) {
  if (count == nullptr || sent != 0 || type != SSL3_RT_HANDSHAKE) return;
  if (++*static_cast<unsigned*>(count) > most_idle_messages) {
    SSL_set_shutdown(ssl, SSL_RECEIVED_SHUTDOWN);
  }
}

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
  // A read comes back after messages that are no data, once its buffer is empty; else it would stay
  // for as long as a peer sends them.
  SSL_clear_mode(ssl_.get(), SSL_MODE_AUTO_RETRY);
  SSL_set_msg_callback(ssl_.get(), on_message);
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
    SSL_set_msg_callback_arg(ssl_.get(), &idle_messages_);
    const int result = SSL_read_ex(ssl_.get(), out.data(), out.size(), &n);
    SSL_set_msg_callback_arg(ssl_.get(), nullptr);
    if (result == 1) {
      idle_messages_ = 0;
      return {IoStatus::ok, n};
    }
    if (idle_messages_ > most_idle_messages) return {IoStatus::failed, 0};
    return {status_of(result), n};
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
