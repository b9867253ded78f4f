#include "outlets/trickle/session.h"

#include <ctime>

#include "crypto/aead.h"
#include "net/tls.h"
#include "wire/trickle_session.h"

namespace qanat::outlets {

namespace trickle = wire::trickle;

std::string begin_trickle_session(CookieKeeper& keeper, std::uint16_t port,
                                  const share::Client& client, SSL* tls) {
  constexpr unsigned session_cookies = 8;
  keeper.turn(static_cast<std::uint64_t>(std::time(nullptr)));
  WipedArray<trickle::exporter_bytes> exporter;
  net::export_keying_material(tls, trickle::exporter_label, exporter.view());
  wire::TrickleSession session;
  session.port = port;
  session.lifetime = CookieKeys::generation_seconds;
  crypto::random_bytes(session.nonce);
  trickle::CookieContent content;
  content.client_class =
      client.shared_key.empty() ? trickle::ClientClass::certified : trickle::ClientClass::invited;
  content.client = trickle::client_id(client.name, client.shared_key.view());
  for (unsigned i = 0; i < session_cookies; ++i) {
    trickle::session_keys(exporter.view(), client.shared_key.view(), session.nonce, i,
                          content.keys.view());
    session.cookies.push_back(keeper.seal(content));
  }
  return encode(session);
}

}  // namespace qanat::outlets
