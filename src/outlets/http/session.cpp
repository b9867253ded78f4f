// The part of HttpConnection that begins a trickle session (docs/trickle.md).
#include <boost/asio/awaitable.hpp>
#include <ctime>

#include "crypto/aead.h"
#include "outlets/http/connection.h"
#include "outlets/trickle/cookie_keeper.h"
#include "wire/trickle_session.h"

namespace qanat::outlets {

namespace asio = boost::asio;
namespace trickle = wire::trickle;

asio::awaitable<void> HttpConnection::send_session() {
  constexpr unsigned session_cookies = 8;
  constexpr std::string_view hint = "connect over https with a join string or a certificate";
  // Nobody can show a name over plain HTTP: saying who one is does not help there.
  if (transport_.ssl() == nullptr) {
    ++worker_.counters_.unauthorised;
    co_return co_await refuse(403, "no session over http", hint);
  }
  if (!client_) {
    ++worker_.counters_.unauthorised;
    co_return co_await refuse(401, "a session needs a name", hint);
  }
  const std::uint16_t port = worker_.services_.trickle_port();
  CookieKeeper& keeper = worker_.services_.cookies;
  if (port == 0 || keeper.version() == 0) {
    co_return co_await refuse(404, "no trickle here", "this hub has no trickle:// outlet");
  }
  const bool refused = co_await refuse_often(serve::Made::session);
  if (refused) co_return;
  keeper.turn(static_cast<std::uint64_t>(std::time(nullptr)));
  WipedArray<trickle::exporter_bytes> exporter;
  net::export_keying_material(transport_.ssl(), trickle::exporter_label, exporter.view());
  wire::TrickleSession session;
  session.port = port;
  session.lifetime = CookieKeys::generation_seconds;
  crypto::random_bytes(session.nonce);
  trickle::Ticket ticket;
  ticket.client_class =
      client_->shared_key.empty() ? trickle::ClientClass::certified : trickle::ClientClass::invited;
  ticket.client = trickle::client_id(client_->name, client_->shared_key.view());
  for (unsigned i = 0; i < session_cookies; ++i) {
    trickle::session_keys(exporter.view(), client_->shared_key.view(), session.nonce, i,
                          ticket.keys.view());
    session.cookies.push_back(keeper.seal(ticket));
  }
  const std::string answer = encode(session);
  co_await send_whole(200, "application/json", answer);
}

}  // namespace qanat::outlets
