#include <gtest/gtest.h>

#include "wire/proof.h"

namespace qanat::wire {
namespace {

TEST(Proof, IsThatOfItsPage) {
  // docs/join-strings.md.
  std::array<std::uint8_t, 64> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i);
  const Bytes key = Bytes(bytes).first(32);
  const Bytes exporter = Bytes(bytes).last(32);
  EXPECT_EQ(to_hex(make_proof(Prover::client, key, exporter)),
            "a92c3b5f081bf4b1ccadd33c49fe8969bad87b2751906613ff52924bab872403");
  EXPECT_EQ(to_hex(make_proof(Prover::hub, key, exporter)),
            "b7ffec1e8b0aee01010147b03d38411d2532f31ca9fcb875b57301990a7aa342");
}

TEST(Proof, BelongsToOneKeyOneSideAndOneConnection) {
  const auto proof = make_proof(Prover::client, as_bytes("key"), as_bytes("exporter"));
  EXPECT_NE(proof, make_proof(Prover::hub, as_bytes("key"), as_bytes("exporter")));
  EXPECT_NE(proof, make_proof(Prover::client, as_bytes("kez"), as_bytes("exporter")));
  EXPECT_NE(proof, make_proof(Prover::client, as_bytes("key"), as_bytes("exporter2")));
  const auto back = decode_authorization(encode(Authorization{"router", proof}));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->name, "router");
  EXPECT_EQ(back->proof, proof);
  for (const char* scheme : {"qanat", "QANAT", "qAnAt"}) {
    EXPECT_TRUE(decode_authorization(scheme + encode(*back).substr(5))) << scheme;
  }
  for (const char* bad :
       {"", "Qanat", "Qanat ", "Qanat x", "Qanat x 12", "Basic abc", "Qanat  x y"}) {
    EXPECT_FALSE(decode_authorization(bad)) << bad;
  }
}

}  // namespace
}  // namespace qanat::wire
