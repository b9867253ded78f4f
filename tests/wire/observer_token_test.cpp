#include "wire/observer_token.h"

#include <gtest/gtest.h>

namespace qanat::wire {
namespace {

ObserverToken token() {
  SecretBytes key(ObserverToken::key_bytes);
  for (std::size_t i = 0; i < key.size(); ++i) key.view()[i] = static_cast<std::uint8_t>(i);
  return {"prometheus.rack-3", std::move(key)};
}

constexpr std::string_view text =
    "qanat-observer.prometheus.rack-3.AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

TEST(ObserverToken, HasOneTextForm) {
  EXPECT_EQ(encode(token()), text);
  const auto decoded = decode_observer_token(text);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->name, "prometheus.rack-3");
  EXPECT_EQ(to_hex(decoded->key.view()), to_hex(token().key.view()));
}

TEST(ObserverToken, ComesAsBearerAndAsABrowsersPassword) {
  EXPECT_TRUE(decode_observer_authorization("Bearer " + std::string(text)));
  EXPECT_TRUE(decode_observer_authorization("bearer  " + std::string(text)));
  const std::string pair = "anybody:" + std::string(text);
  EXPECT_TRUE(decode_observer_authorization("Basic " + to_base64(as_bytes(pair))));
  EXPECT_TRUE(is_observer_authorization("BASIC x"));
  EXPECT_FALSE(is_observer_authorization("Qanat NAME 00"));
}

TEST(ObserverToken, WhatIsNoneIsNone) {
  const std::string whole(text);
  for (const std::string& bad :
       {std::string(), whole.substr(0, whole.size() - 1), whole + "A", "x" + whole,
        std::string("qanat-observer."), std::string("qanat-observer.."),
        std::string("qanat-observer.AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"), whole + "\n"}) {
    EXPECT_FALSE(decode_observer_token(bad)) << bad;
    EXPECT_FALSE(decode_observer_authorization("Bearer " + bad)) << bad;
  }
  for (const char* const bad :
       {"Basic", "Basic ", "Basic !!!", "Basic YWJj", "Bearer", "Digest x"}) {
    EXPECT_FALSE(decode_observer_authorization(bad)) << bad;
  }
}

TEST(ObserverToken, WhatIsKeptIsNotTheKey) {
  const SecretBytes kept = kept_of_key(token().key.view());
  EXPECT_EQ(kept.size(), ObserverToken::key_bytes);
  EXPECT_NE(to_hex(kept.view()), to_hex(token().key.view()));
}

}  // namespace
}  // namespace qanat::wire
