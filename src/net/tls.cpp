#include "net/tls.h"

#include <fmt/core.h>
#include <openssl/pem.h>
#include <sys/stat.h>

#include <array>
#include <ctime>

namespace qanat::net {

using namespace crypto;

namespace {

SslCtxPtr make_context(const SSL_METHOD* method) {
  SslCtxPtr context(SSL_CTX_new(method));
  require(context && SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION) == 1,
          "TLS context");
  // Buffers are held only while bytes are in them: an idle connection costs a third of what it did.
  // Retried writes come from the same bytes, wherever those are.
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // One read() a record instead of two.
  SSL_CTX_set_read_ahead(context.get(), 1);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  return context;
}

// Index of the context's KeyExchanges.
int exchanges_slot() {
  static const int slot = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return slot;
}

// Index of a connection's mark: its handshake is counted.
int counted_slot() {
  static const int slot = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return slot;
}

void on_progress(const SSL* progressing, int where, int) {
  auto* const ssl = const_cast<SSL*>(progressing);
  // Each key update ends like a handshake, too, and a peer may send as many as it likes.
  if ((where & SSL_CB_HANDSHAKE_DONE) == 0 || SSL_get_ex_data(ssl, counted_slot()) != nullptr) {
    return;
  }
  auto* const exchanges =
      static_cast<KeyExchanges*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), exchanges_slot()));
  exchanges->count(ssl);
  SSL_set_ex_data(ssl, counted_slot(), exchanges);
}

void use_certificate_chain(SSL_CTX* context, const std::string& pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const X509Ptr leaf(PEM_read_bio_X509_AUX(bio.get(), nullptr, nullptr, nullptr));
  if (!leaf || SSL_CTX_use_certificate(context, leaf.get()) != 1) {
    throw TlsFailure("cert", "the TLS certificate cannot be used: " + openssl_error());
  }
  for (;;) {
    X509Ptr next(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (!next) break;
    require(SSL_CTX_add0_chain_cert(context, next.get()) == 1, "certificate chain");
    (void)next.release();
  }
  ERR_clear_error();  // the end of the text counts as an error
}

// Called instead of the chain verification when a pin is given.
int verify_pin(X509_STORE_CTX* store, void* expected) {
  const X509* const leaf = X509_STORE_CTX_get0_cert(store);
  if (leaf != nullptr && equal_constant_time(pin_of(leaf), *static_cast<const Pin*>(expected))) {
    return 1;
  }
  X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
  return 0;
}

}  // namespace

void KeyExchanges::count(SSL* ssl) {
  const char* const name = SSL_group_to_name(ssl, static_cast<int>(SSL_get_negotiated_group(ssl)));
  const MutexLock lock(mutex_);
  ++counts_[name != nullptr ? name : "other"];
}

std::map<std::string, std::uint64_t> KeyExchanges::counts() const {
  const MutexLock lock(mutex_);
  return counts_;
}

// X25519 before the others: it costs the server least. A star: the client sends a key share of it
// at once, so that a server without the hybrid costs no round trip more (OpenSSL 3.5).
std::span<const char* const> server_group_lists() {
  static constexpr std::array lists{"X25519MLKEM768:X25519:P-256", "X25519:P-256"};
  return lists;
}

std::span<const char* const> client_group_lists() {
  static constexpr std::array lists{"*X25519MLKEM768:*X25519:P-256:P-384:P-521",
                                    "X25519MLKEM768:X25519:P-256:P-384:P-521",
                                    "X25519:P-256:P-384:P-521"};
  return lists;
}

void use_groups(SSL_CTX* context, std::span<const char* const> lists) {
  for (const char* list : lists) {
    if (SSL_CTX_set1_groups_list(context, list) == 1) {
      ERR_clear_error();  // of those before
      return;
    }
  }
  require(false, "TLS groups");
}

std::int64_t certificate_until(const SSL_CTX* context) {
  const X509* const leaf = SSL_CTX_get0_certificate(context);
  std::tm until{};
  if (leaf == nullptr || ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &until) != 1) return 0;
  return ::timegm(&until);
}

// Trusts the certificates, and tells clients their names.
void use_client_ca(SSL_CTX* context, const ServerTls::ClientCa& ca) {
  const BioPtr bio(BIO_new_mem_buf(ca.pem.data(), static_cast<int>(ca.pem.size())));
  require(bio != nullptr, "TLS context");
  bool any = false;
  for (;;) {
    const X509Ptr certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (!certificate) break;
    any = true;
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate.get()) != 1 ||
        SSL_CTX_add_client_CA(context, certificate.get()) != 1) {
      throw TlsFailure("ca",
                       fmt::format("cannot use the client CA {}: {}", ca.name, openssl_error()));
    }
  }
  const auto end = ERR_peek_last_error();
  if (any && ERR_GET_REASON(end) == PEM_R_NO_START_LINE) return ERR_clear_error();
  throw TlsFailure("ca",
                   fmt::format("no certificate in the client CA {}: {}", ca.name, openssl_error()));
}

SslCtxPtr make_server_context(const ServerTls& settings) {
  SslCtxPtr context = make_context(TLS_server_method());
  use_groups(context.get(), server_group_lists());
  // No tickets and no cache: a resumed session would keep a revoked client's foot in the door, and
  // each ticket is state on the wire.
  require(SSL_CTX_set_num_tickets(context.get(), 0) == 1, "TLS context");
  if (settings.exchanges != nullptr) {
    require(SSL_CTX_set_ex_data(context.get(), exchanges_slot(), settings.exchanges) == 1,
            "TLS context");
    SSL_CTX_set_info_callback(context.get(), on_progress);
  }
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  // AES first where the processor has instructions for it, which every server has.
  require(SSL_CTX_set_ciphersuites(context.get(),
                                   "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                                   "TLS_CHACHA20_POLY1305_SHA256") == 1,
          "TLS ciphers");
  use_certificate_chain(context.get(), settings.certificate_pem);
  const BioPtr bio(
      BIO_new_mem_buf(settings.key_pem.data(), static_cast<int>(settings.key_pem.size())));
  const PkeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  if (!key) throw TlsFailure("key", "the TLS private key cannot be used: " + openssl_error());
  // The second call says what the first does not: that they are of different kinds.
  if (SSL_CTX_use_PrivateKey(context.get(), key.get()) != 1 ||
      SSL_CTX_check_private_key(context.get()) != 1) {
    throw TlsFailure("key",
                     "the TLS private key does not belong to the certificate: " + openssl_error());
  }
  if (settings.client_ca) {
    use_client_ca(context.get(), *settings.client_ca);
    SSL_CTX_set_verify(
        context.get(),
        SSL_VERIFY_PEER |
            (settings.client_certificate_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
        nullptr);
  }
  return context;
}

SslCtxPtr make_client_context(const ClientTls& settings) {
  SslCtxPtr context = make_context(TLS_client_method());
  use_groups(context.get(), client_group_lists());
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  if (settings.pin) {
    // The context keeps a copy alive as long as it lives.
    static const int slot = SSL_CTX_get_ex_new_index(
        0, nullptr, nullptr, nullptr,
        [](void*, void* pin, CRYPTO_EX_DATA*, int, long, void*) { delete static_cast<Pin*>(pin); });
    auto* const pin = new Pin(*settings.pin);
    require(SSL_CTX_set_ex_data(context.get(), slot, pin) == 1, "TLS context");
    SSL_CTX_set_cert_verify_callback(context.get(), verify_pin, pin);
  } else if (settings.ca) {
    // Others may have put a FIFO there, whose opening waits for a writer.
    struct stat info {};
    if (::stat(settings.ca->c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
      throw TlsFailure("ca", fmt::format("the CA {} is not a file", *settings.ca));
    }
    if (SSL_CTX_load_verify_file(context.get(), settings.ca->c_str()) != 1) {
      throw TlsFailure("ca",
                       fmt::format("cannot read the CA {}: {}", *settings.ca, openssl_error()));
    }
  } else {
    require(SSL_CTX_set_default_verify_paths(context.get()) == 1, "system CAs");
  }
  if (settings.certificate) {
    const std::string& key = settings.key ? *settings.key : *settings.certificate;
    const char* part =
        SSL_CTX_use_certificate_chain_file(context.get(), settings.certificate->c_str()) != 1
            ? "cert"
        : SSL_CTX_use_PrivateKey_file(context.get(), key.c_str(), SSL_FILETYPE_PEM) != 1 ? "key"
                                                                                         : nullptr;
    if (part != nullptr) {
      throw TlsFailure(part, fmt::format("cannot use the client certificate {} with key {}: {}",
                                         *settings.certificate, key, openssl_error()));
    }
  }
  return context;
}

std::string handshake_error(SSL* ssl) {
  const long verified = SSL_get_verify_result(ssl);
  if (verified == X509_V_ERR_APPLICATION_VERIFICATION) {
    ERR_clear_error();
    return "the server's key is not the pinned one: it is another server, or somebody in between, "
           "or its state directory was made anew; ask its operator for a new join string";
  }
  if (verified != X509_V_OK) {
    ERR_clear_error();
    return fmt::format(
        "the server's certificate was refused: {}; use a join string ('qanat invite NAME' at the "
        "hub), or say what to trust: ?pin=HEX ('qanat status' at the hub shows its pin) or "
        "?ca=FILE",
        X509_verify_cert_error_string(verified));
  }
  if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_WRONG_VERSION_NUMBER) {
    ERR_clear_error();
    return "it does not speak TLS; if it speaks plain HTTP, write http:// in place of https://";
  }
  if (ERR_peek_error() == 0) return "it closed the connection during the TLS handshake";
  return "TLS handshake failed: " + openssl_error();
}

void export_keying_material(SSL* ssl, std::string_view label, MutableBytes out) {
  require(SSL_export_keying_material(ssl, out.data(), out.size(), label.data(), label.size(),
                                     nullptr, 0, 0) == 1,
          "TLS exporter");
}

}  // namespace qanat::net
