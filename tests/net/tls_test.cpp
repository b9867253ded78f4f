#include "net/tls.h"

#include <gtest/gtest.h>

#include <openssl/pem.h>
#include <sys/socket.h>

#include <array>
#include <ctime>
#include <memory>

#include "base/files.h"
#include "net/transport.h"

namespace qanat::net {
namespace {

// Both ends of a handshake in memory; true when it succeeds.
bool shake_hands(SSL_CTX* server_context, SSL_CTX* client_context) {
  const crypto::SslPtr server(SSL_new(server_context));
  const crypto::SslPtr client(SSL_new(client_context));
  BIO* near = nullptr;
  BIO* far = nullptr;
  BIO_new_bio_pair(&near, 0, &far, 0);
  SSL_set_bio(server.get(), near, near);
  SSL_set_bio(client.get(), far, far);
  SSL_set_accept_state(server.get());
  SSL_set_connect_state(client.get());
  for (int i = 0; i < 10; ++i) {
    const bool there = SSL_do_handshake(client.get()) == 1;
    if (SSL_do_handshake(server.get()) == 1 && there) return true;
  }
  ERR_clear_error();
  return false;
}

class TlsTest : public testing::Test {
 protected:
  ServerTls server() {
    return {.key_pem = identity_.key_pem.view(),
            .certificate_pem = identity_.certificate_pem,
            .client_ca = {},
            .exchanges = &exchanges_};
  }
  crypto::SslCtxPtr client() {
    return make_client_context({.pin = *crypto::pin_of_certificate(identity_.certificate_pem),
                                .ca = {},
                                .certificate = {},
                                .key = {}});
  }

  KeyExchanges exchanges_;
  crypto::KeyAndCertificate identity_ = crypto::make_self_signed("test");
};

TEST_F(TlsTest, AListOfGroupsThatTheLibraryDoesNotKnowIsPassedOver) {
  const crypto::SslCtxPtr context = make_server_context(server());
  static constexpr std::array newest{"X448MLKEM9999:P-256", "P-256"};
  use_groups(context.get(), newest);
  ASSERT_TRUE(shake_hands(context.get(), client().get()));
  EXPECT_EQ(exchanges_.counts(), (std::map<std::string, std::uint64_t>{{"secp256r1", 1}}));
  static constexpr std::array none{"X448MLKEM9999"};
  EXPECT_THROW(use_groups(context.get(), none), Failure);
}

TEST_F(TlsTest, TheHybridIsTakenWhereTheLibraryHasItAndX25519Else) {
  const crypto::SslCtxPtr context = make_server_context(server());
  const bool hybrid = SSL_CTX_set1_groups_list(client().get(), "X25519MLKEM768") == 1;
  ERR_clear_error();
  ASSERT_TRUE(shake_hands(context.get(), client().get()));
  ASSERT_TRUE(shake_hands(context.get(), client().get()));
  ASSERT_EQ(exchanges_.counts().size(), 1U);
  EXPECT_EQ(exchanges_.counts().begin()->first, hybrid ? "X25519MLKEM768" : "x25519");
  EXPECT_EQ(exchanges_.counts().begin()->second, 2U);
}

TEST_F(TlsTest, AClientThatKnowsNoHybridIsServed) {
  const crypto::SslCtxPtr context = make_server_context(server());
  const crypto::SslCtxPtr old = client();
  SSL_CTX_set1_groups_list(old.get(), "P-256");
  ASSERT_TRUE(shake_hands(context.get(), old.get()));
  EXPECT_EQ(exchanges_.counts(), (std::map<std::string, std::uint64_t>{{"secp256r1", 1}}));
}

// Both ends over a socket; what the client does there may fill its buffer, not more.
class TransportTest : public TlsTest {
 protected:
  TransportTest() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
    near_ = UniqueFd(ends[0]);
    far_ = UniqueFd(ends[1]);
    SSL_set_fd(client_.get(), far_.get());
    SSL_set_accept_state(server_.get());
    SSL_set_connect_state(client_.get());
    transport_ = std::make_unique<Transport>(near_.get(), std::move(server_));
    for (int i = 0; i < 10; ++i) {
      const bool there = SSL_do_handshake(client_.get()) == 1;
      if (transport_->handshake() == IoStatus::ok && there) break;
    }
    EXPECT_EQ(SSL_is_init_finished(client_.get()), 1);
  }
  void update_keys(int times) {
    for (int i = 0; i < times; ++i) {
      ASSERT_EQ(SSL_key_update(client_.get(), SSL_KEY_UPDATE_NOT_REQUESTED), 1);
      ASSERT_EQ(SSL_do_handshake(client_.get()), 1);
    }
  }
  IoResult read() { return transport_->read(block_); }

  const crypto::SslCtxPtr server_context_ = make_server_context(server());
  const crypto::SslCtxPtr client_context_ = client();
  crypto::SslPtr server_{SSL_new(server_context_.get())};
  const crypto::SslPtr client_{SSL_new(client_context_.get())};
  UniqueFd near_;
  UniqueFd far_;
  std::unique_ptr<Transport> transport_;
  std::array<std::uint8_t, 100> block_{};
};

TEST_F(TransportTest, DataIsFoundBehindKeyUpdates) {
  for (int i = 0; i < 5; ++i) {
    update_keys(20);
    ASSERT_EQ(SSL_write(client_.get(), "data", 4), 4);
    IoResult got = read();
    if (got.status == IoStatus::want_read) got = read();
    ASSERT_EQ(got.status, IoStatus::ok);
    EXPECT_EQ(got.bytes, 4U);
    EXPECT_EQ(read().status, IoStatus::want_read);
  }
}

TEST_F(TransportTest, WhoSendsKeyUpdatesWithoutEndIsGivenUp) {
  update_keys(200);  // what a UNIX socket holds
  IoStatus status = IoStatus::want_read;
  for (int i = 0; i < 3 && status == IoStatus::want_read; ++i) status = read().status;
  EXPECT_EQ(status, IoStatus::failed);
}

TEST_F(TlsTest, AKeyOfAnotherCertificateIsRefused) {
  const crypto::KeyAndCertificate other = crypto::make_self_signed("other");
  ServerTls mixed = server();
  mixed.key_pem = other.key_pem.view();
  EXPECT_THROW(make_server_context(mixed), Failure);
  // Of another kind, too.
  const crypto::PkeyPtr rsa(EVP_RSA_gen(2048));
  const crypto::BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PKCS8PrivateKey(bio.get(), rsa.get(), nullptr, nullptr, 0, nullptr, nullptr);
  char* text = nullptr;
  const auto size = static_cast<std::size_t>(BIO_get_mem_data(bio.get(), &text));
  mixed.key_pem = Bytes(reinterpret_cast<std::uint8_t*>(text), size);
  EXPECT_THROW(make_server_context(mixed), Failure);
}

TEST_F(TlsTest, WhatCannotBeUsedIsNamedInWords) {
  for (const auto& [settings, part] : {std::pair{ClientTls{{}, "/nonexistent/ca", {}, {}}, "ca"},
                                       std::pair{ClientTls{{}, {}, "/nonexistent/c", {}}, "cert"},
                                       std::pair{ClientTls{{}, "/", {}, {}}, "ca"}}) {
    try {
      (void)make_client_context(settings);
      FAIL() << part;
    } catch (const TlsFailure& problem) {
      EXPECT_STREQ(problem.part(), part);
      const std::string said = problem.what();
      EXPECT_EQ(said.find("error "), std::string::npos) << said;
      EXPECT_EQ(said.find("unknown error"), std::string::npos) << said;
    }
  }
}

TEST_F(TlsTest, TheEndOfTheCertificateIsKnown) {
  const auto years =
      (certificate_until(make_server_context(server()).get()) - std::time(nullptr)) / (365 * 86400);
  EXPECT_NEAR(static_cast<double>(years), 20, 1);
}

}  // namespace
}  // namespace qanat::net
