#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <random>
#include <sstream>
#include <vector>

#include "crypto/aead.h"
#include "crypto/certificate.h"
#include "crypto/drbg.h"
#include "crypto/hash.h"
#include "crypto/legacy.h"

namespace qanat::crypto {
namespace {

TEST(Hkdf, KnownAnswers) {
  // Inputs of RFC 5869, A.1 and A.3, with SHA-512; outputs by Python's hmac.
  const auto input = std::vector<std::uint8_t>(22, 0x0b);
  std::array<std::uint8_t, 42> out;
  hkdf_sha512(*from_hex("000102030405060708090a0b0c"), input, *from_hex("f0f1f2f3f4f5f6f7f8f9"),
              out);
  EXPECT_EQ(to_hex(out),
            "832390086cda71fb47625bb5ceb168e4c8e26a1a16ed34d9fc7fe92c1481"
            "579338da362cb8d9f925d7cb");
  std::array<std::uint8_t, 100> more;
  hkdf_sha512({}, input, {}, more);
  EXPECT_EQ(to_hex(more),
            "f5fa02b18298a72a8c23898a8703472c6eb179dc204c03425c970e3b164bf90fff22d0"
            "4836d0e2343bacc4e7cb6045faaa698e0e3b3eb91331306def1db8319e8a699b5ee45a"
            "b993847dc4df75bde023692c8c0710a67a55123f10a8b2d8327f9eb138da");
}

// Ours for packets against libsodium's, at every size around a block and some beyond our own limit.
TEST(Aead, PacketsAreSealedAsLibsodiumDoes) {
  std::mt19937 random(11);
  const auto bytes = [&](std::size_t size) {
    std::vector<std::uint8_t> out(size);
    for (auto& byte : out) byte = static_cast<std::uint8_t>(random());
    return out;
  };
  for (std::size_t size = 0; size <= 1400; size += size < 330 ? 1 : 37) {
    const auto key = bytes(aead_key_bytes);
    const auto plaintext = bytes(size);
    const auto associated = bytes(random() % 90);
    auto packet = bytes(aead_nonce_bytes);
    packet.resize(aead_nonce_bytes + size + aead_tag_bytes);
    const MutableBytes sealed = MutableBytes(packet).subspan(aead_nonce_bytes);
    // In place, as replies are.
    std::copy(plaintext.begin(), plaintext.end(), sealed.begin());
    seal_to(key, Bytes(packet).first(aead_nonce_bytes), sealed.first(size), associated, sealed);
    const auto opened = open(key, packet, associated);
    ASSERT_TRUE(opened) << size;
    EXPECT_EQ(to_hex(opened->view()), to_hex(plaintext));
    std::vector<std::uint8_t> out(size, 1);
    ASSERT_TRUE(open_to(key, Bytes(packet).first(aead_nonce_bytes), sealed, associated, out));
    EXPECT_EQ(out, plaintext);
    packet[aead_nonce_bytes + random() % sealed.size()] ^= 1;
    EXPECT_FALSE(open_to(key, Bytes(packet).first(aead_nonce_bytes), sealed, associated, out));
    EXPECT_EQ(out, std::vector<std::uint8_t>(size)) << "and nothing of it is left";
  }
}

TEST(Hash, KnownAnswers) {
  // FIPS 180-4 examples and RFC 4231: "algorithm key-hex message-hex result-hex".
  std::ifstream file(TEST_DATA "/hash_vectors.txt");
  std::string line;
  int cases = 0;
  while (std::getline(file, line)) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream fields(line);
    std::string algorithm;
    std::string key;
    std::string message;
    std::string expected;
    fields >> algorithm >> key >> message >> expected;
    const auto bytes = message == "-" ? std::vector<std::uint8_t>() : *from_hex(message);
    std::string got;
    if (algorithm == "sha256") {
      got = to_hex(sha256({bytes}));
    } else if (algorithm == "sha512") {
      got = to_hex(sha512({bytes}));
    } else {
      std::array<std::uint8_t, 64> mac;
      hmac_sha512(*from_hex(key), {bytes}, mac);
      got = to_hex(mac);
    }
    EXPECT_EQ(got, expected) << line;
    ++cases;
  }
  EXPECT_EQ(cases, 6);
}

TEST(HmacSha512, IsReadyForTheNextMessageUnderTheSameKey) {
  HmacSha512 mac(as_bytes("key"));
  std::array<std::uint8_t, 64> first;
  std::array<std::uint8_t, 64> second;
  std::array<std::uint8_t, 64> whole;
  mac.update(as_bytes("mess"));
  mac.update(as_bytes("age"));
  mac.finish(first);
  mac.update(as_bytes("message"));
  mac.finish(second);
  hmac_sha512(as_bytes("key"), {as_bytes("message")}, whole);
  EXPECT_EQ(first, second);
  EXPECT_EQ(first, whole);
}

TEST(CtrDrbg, RefusesBeforeItsFirstSeedAndDiffersAfterEach) {
  CtrDrbg drbg;
  std::array<std::uint8_t, 32> out;
  EXPECT_THROW(drbg.generate(out), Failure);
  const std::array<std::uint8_t, 48> seed{1};
  drbg.reseed(seed);
  drbg.generate(out);
  auto next = out;
  drbg.generate(next);
  EXPECT_NE(out, next);
  // The instantiation is each DRBG's own: the same seed does not make the same output.
  CtrDrbg other;
  other.reseed(seed);
  other.generate(next);
  EXPECT_NE(out, next);
}

TEST(Aead, OpensOnlyWhatWasSealedWithTheSameKeyAndName) {
  const SecretBytes key(32);
  const auto sealed = seal(key.view(), as_bytes("secret"), as_bytes("router"));
  EXPECT_EQ(as_text(open(key.view(), sealed, as_bytes("router"))->view()), "secret");
  EXPECT_FALSE(open(key.view(), sealed, as_bytes("other")));
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    auto altered = sealed;
    altered[i] ^= 1;
    EXPECT_FALSE(open(key.view(), altered, as_bytes("router"))) << i;
  }
  EXPECT_FALSE(open(key.view(), Bytes(sealed).first(39), as_bytes("router")));
  EXPECT_NE(sealed, seal(key.view(), as_bytes("secret"), as_bytes("router"))) << "fresh nonces";
}

TEST(Certificate, PinIsOfTheKeyAndEachIsAnother) {
  const auto one = make_self_signed("qanat-test");
  const auto two = make_self_signed("qanat-test");
  const auto pin = pin_of_certificate(one.certificate_pem);
  ASSERT_TRUE(pin);
  EXPECT_EQ(*pin, *pin_of_certificate(one.certificate_pem));
  EXPECT_NE(*pin, *pin_of_certificate(two.certificate_pem));
  EXPECT_TRUE(as_text(one.key_pem.view()).starts_with("-----BEGIN PRIVATE KEY-----"));
  EXPECT_FALSE(pin_of_certificate("nonsense"));
}

// In a process of its own: the provider is loaded once.
TEST(LegacyDeathTest, IsThereOnceADescriptorIs) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto works = [] {
    try {
      const std::vector<std::uint8_t> key(16);
      const std::vector<std::uint8_t> iv(8);
      const CfbStream stream("BF-CFB", key, iv, CfbStream::Direction::encrypt);
      return true;
    } catch (const Failure&) {
      return false;
    }
  };
  const auto try_twice = [&works] {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const rlimit none{0, limit.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &none);
    const bool without = works();
    ::setrlimit(RLIMIT_NOFILE, &limit);
    std::_Exit(!without && works() ? 0 : 1);
  };
  EXPECT_EXIT(try_twice(), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace qanat::crypto
