#include "crypto/certificate.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/openssl.h"

namespace qanat::crypto {
namespace {

Bytes content(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {reinterpret_cast<const std::uint8_t*>(data), static_cast<std::size_t>(size)};
}

void add_extension(X509* certificate, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, FreeWith<X509_EXTENSION_free>> extension(
      X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  require(extension && X509_add_ext(certificate, extension.get(), -1) == 1,
          "certificate extension");
}

X509Ptr self_signed(EVP_PKEY* key, const std::string& name) {
  X509Ptr certificate(X509_new());
  std::array<std::uint8_t, 8> serial;
  random_bytes(serial);
  serial[0] &= 0x7f;
  const std::unique_ptr<BIGNUM, FreeWith<BN_free>> number(
      BN_bin2bn(serial.data(), static_cast<int>(serial.size()), nullptr));
  constexpr long day = 86400;
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  require(
      X509_set_version(certificate.get(), X509_VERSION_3) == 1 &&
          BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate.get())) != nullptr &&
          X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -day) != nullptr &&
          X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 20 * 365 * day) != nullptr &&
          X509_set_pubkey(certificate.get(), key) == 1 &&
          X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                     reinterpret_cast<const unsigned char*>(name.data()),
                                     static_cast<int>(name.size()), -1, 0) == 1 &&
          X509_set_issuer_name(certificate.get(), subject) == 1,
      "certificate");
  add_extension(certificate.get(), NID_subject_alt_name, "DNS:" + name);
  add_extension(certificate.get(), NID_basic_constraints, "critical,CA:FALSE");
  require(X509_sign(certificate.get(), key, EVP_sha256()) > 0, "certificate signature");
  return certificate;
}

Result<PkeyPtr> private_key(Bytes pem) {
  // An empty text is no null pointer to OpenSSL.
  const BioPtr bio(pem.empty() ? nullptr
                               : BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  // One that wants a password is not ours: none is asked for.
  const auto no_password = [](char*, int, int, void*) { return -1; };
  PkeyPtr key(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr) : nullptr);
  ERR_clear_error();
  if (!key) return error("no private key in PEM");
  return key;
}

// Of a SubjectPublicKeyInfo that OpenSSL allocated.
Pin pin_of_der(unsigned char* der, int size) {
  require(size > 0, "public key");
  const std::unique_ptr<unsigned char, decltype([](unsigned char* p) { OPENSSL_free(p); })> owner(
      der);
  return sha256({Bytes(der, static_cast<std::size_t>(size))});
}

}  // namespace

KeyAndCertificate make_self_signed(const std::string& name) {
  const PkeyPtr key(EVP_EC_gen("P-256"));
  require(key != nullptr, "P-256 key");
  const X509Ptr certificate = self_signed(key.get(), name);
  const BioPtr key_text(BIO_new(BIO_s_secmem()));
  const BioPtr certificate_text(BIO_new(BIO_s_mem()));
  require(PEM_write_bio_PKCS8PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                        nullptr) == 1 &&
              PEM_write_bio_X509(certificate_text.get(), certificate.get()) == 1,
          "PEM");
  return {SecretBytes(content(key_text.get())),
          std::string(as_text(content(certificate_text.get())))};
}

Result<std::string> self_signed_for(Bytes key_pem, const std::string& name) {
  const auto key = private_key(key_pem);
  if (!key) return tl::unexpected(key.error());
  const X509Ptr certificate = self_signed(key->get(), name);
  const BioPtr text(BIO_new(BIO_s_mem()));
  require(PEM_write_bio_X509(text.get(), certificate.get()) == 1, "PEM");
  return std::string(as_text(content(text.get())));
}

Result<Pin> pin_of_key(Bytes key_pem) {
  const auto key = private_key(key_pem);
  if (!key) return tl::unexpected(key.error());
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key->get(), &der);
  return pin_of_der(der, size);
}

Pin pin_of(const X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  return pin_of_der(der, size);
}

Result<Pin> pin_of_certificate(std::string_view certificate_pem) {
  const BioPtr bio(
      certificate_pem.empty()
          ? nullptr
          : BIO_new_mem_buf(certificate_pem.data(), static_cast<int>(certificate_pem.size())));
  if (!bio) return error("not a PEM certificate: it is empty");
  const X509Ptr certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (!certificate) return error("not a PEM certificate: " + openssl_error());
  return pin_of(certificate.get());
}

}  // namespace qanat::crypto
