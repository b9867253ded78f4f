// TLS 1.3 contexts for servers and clients (RFC 8446).
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/secret.h"
#include "crypto/certificate.h"
#include "crypto/openssl.h"

namespace qanat::net {

struct ServerTls {
  Bytes key_pem;
  std::string certificate_pem;           // the server's own first, then its chain
  std::optional<std::string> client_ca;  // a PEM file: accept client certificates signed by these
  bool client_certificate_required = false;
};
// Throws Failure when key, certificate or CA cannot be used, and says which.
crypto::SslCtxPtr make_server_context(const ServerTls& settings);

// What a client accepts as its server's proof, and shows itself.
struct ClientTls {
  std::optional<crypto::Pin> pin;          // this key and no other; names and dates do not matter
  std::optional<std::string> ca;           // else a PEM file; else the system's CAs
  std::optional<std::string> certificate;  // PEM files of the client's own
  std::optional<std::string> key;
};
crypto::SslCtxPtr make_client_context(const ClientTls& settings);

// Why the handshake of `ssl` as a client failed, for a person.
std::string handshake_error(SSL* ssl);

// Exported keying material (RFC 8446, 7.5) of an established connection.
void export_keying_material(SSL* ssl, std::string_view label, MutableBytes out);

}  // namespace qanat::net
