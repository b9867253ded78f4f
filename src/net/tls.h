// TLS 1.3 contexts for servers and clients (RFC 8446).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/error.h"
#include "base/mutex.h"
#include "base/secret.h"
#include "crypto/certificate.h"
#include "crypto/openssl.h"

namespace qanat::net {

// Counts handshakes by the group of their key exchange ("X25519MLKEM768", "x25519"), as the library
// calls it. Any thread.
class KeyExchanges {
 public:
  void count(SSL* ssl);
  std::map<std::string, std::uint64_t> counts() const;

 private:
  mutable Mutex mutex_;
  std::map<std::string, std::uint64_t> counts_ GUARDED_BY(mutex_);
};

// Lists of groups in the library's notation, best first: what this library knows of them is used.
// A hybrid of X25519 and ML-KEM-768 comes first where there is one (OpenSSL 3.5), so that what is
// recorded today stays secret from a quantum computer.
std::span<const char* const> server_group_lists();
std::span<const char* const> client_group_lists();
// The first of `lists` that the library takes becomes the context's. Throws Failure: none of them.
void use_groups(SSL_CTX* context, std::span<const char* const> lists);

// What a context is made of cannot be used: "cert", "key" or "ca", as the options of outlets and
// sources are called.
class TlsFailure : public Failure {
 public:
  TlsFailure(const char* part, const std::string& what) : Failure(what), part_(part) {}
  const char* part() const { return part_; }

 private:
  const char* part_;
};

struct ServerTls {
  Bytes key_pem;
  std::string certificate_pem;  // the server's own first, then its chain
  // Client certificates signed by these are accepted: PEM, and the file's name for messages.
  struct ClientCa {
    std::string name;
    std::string pem;
  };
  std::optional<ClientCa> client_ca;
  bool client_certificate_required = false;
  KeyExchanges* exchanges = nullptr;  // counts the handshakes; outlives the context
};
// Throws TlsFailure when key, certificate or CA cannot be used, or the key is not the
// certificate's.
crypto::SslCtxPtr make_server_context(const ServerTls& settings);

// Until when the certificate that a context shows is valid: seconds since 1970.
std::int64_t certificate_until(const SSL_CTX* context);

// What a client accepts as its server's proof, and shows itself.
struct ClientTls {
  std::optional<crypto::Pin> pin;          // this key and no other; names and dates do not matter
  std::optional<std::string> ca;           // else a PEM file; else the system's CAs
  std::optional<std::string> certificate;  // PEM files of the client's own
  std::optional<std::string> key;
};
// Throws TlsFailure as above.
crypto::SslCtxPtr make_client_context(const ClientTls& settings);

// Why the handshake of `ssl` as a client failed, for a person.
std::string handshake_error(SSL* ssl);

// Exported keying material (RFC 8446, 7.5) of an established connection.
void export_keying_material(SSL* ssl, std::string_view label, MutableBytes out);

}  // namespace qanat::net
