#include "net/tls.h"

#include <fmt/core.h>
#include <openssl/pem.h>

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

void use_certificate_chain(SSL_CTX* context, const std::string& pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const X509Ptr leaf(PEM_read_bio_X509_AUX(bio.get(), nullptr, nullptr, nullptr));
  if (!leaf || SSL_CTX_use_certificate(context, leaf.get()) != 1) {
    throw Failure("the TLS certificate cannot be used: " + openssl_error());
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

SslCtxPtr make_server_context(const ServerTls& settings) {
  SslCtxPtr context = make_context(TLS_server_method());
  // X25519 first: it costs the server least. No tickets and no cache: a resumed session would keep
  // a revoked client's foot in the door, and each ticket is state on the wire.
  require(SSL_CTX_set1_groups_list(context.get(), "X25519:P-256") == 1 &&
              SSL_CTX_set_num_tickets(context.get(), 0) == 1,
          "TLS context");
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
  if (!key || SSL_CTX_use_PrivateKey(context.get(), key.get()) != 1) {
    throw Failure("the TLS private key cannot be used, or does not belong to the certificate: " +
                  openssl_error());
  }
  if (settings.client_ca) {
    if (SSL_CTX_load_verify_file(context.get(), settings.client_ca->c_str()) != 1) {
      throw Failure(
          fmt::format("cannot read the client CA {}: {}", *settings.client_ca, openssl_error()));
    }
    SSL_CTX_set_client_CA_list(context.get(), SSL_load_client_CA_file(settings.client_ca->c_str()));
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
    if (SSL_CTX_load_verify_file(context.get(), settings.ca->c_str()) != 1) {
      throw Failure(fmt::format("cannot read the CA {}: {}", *settings.ca, openssl_error()));
    }
  } else {
    require(SSL_CTX_set_default_verify_paths(context.get()) == 1, "system CAs");
  }
  if (settings.certificate) {
    const std::string& key = settings.key ? *settings.key : *settings.certificate;
    if (SSL_CTX_use_certificate_chain_file(context.get(), settings.certificate->c_str()) != 1 ||
        SSL_CTX_use_PrivateKey_file(context.get(), key.c_str(), SSL_FILETYPE_PEM) != 1) {
      throw Failure(fmt::format("cannot use the client certificate {} with key {}: {}",
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
    return fmt::format("the server's certificate was refused: {}",
                       X509_verify_cert_error_string(verified));
  }
  return "TLS handshake failed: " + openssl_error();
}

void export_keying_material(SSL* ssl, std::string_view label, MutableBytes out) {
  require(SSL_export_keying_material(ssl, out.data(), out.size(), label.data(), label.size(),
                                     nullptr, 0, 0) == 1,
          "TLS exporter");
}

}  // namespace qanat::net
