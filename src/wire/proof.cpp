#include "wire/proof.h"

#include <algorithm>

#include "base/secret.h"
#include "crypto/hash.h"

namespace qanat::wire {

Proof make_proof(Prover prover, Bytes shared_key, Bytes exporter) {
  WipedArray<64> mac;
  crypto::hmac_sha512(shared_key,
                      {as_bytes(prover == Prover::client ? "qanat client" : "qanat hub"), exporter},
                      std::span<std::uint8_t, 64>(mac.data(), 64));
  Proof proof;
  std::copy_n(mac.data(), proof.size(), proof.begin());
  return proof;
}

std::string encode(const Authorization& authorization) {
  return "Qanat " + authorization.name + " " + to_hex(authorization.proof);
}

std::optional<Proof> decode_proof(std::string_view header) {
  const auto bytes = from_hex(header);
  Proof proof;
  if (!bytes || bytes->size() != proof.size()) return std::nullopt;
  std::copy(bytes->begin(), bytes->end(), proof.begin());
  return proof;
}

std::optional<Authorization> decode_authorization(std::string_view header) {
  // A scheme's name is the same in any case (RFC 9110, 11.1).
  const auto same = [](char a, char b) { return (a | 0x20) == (b | 0x20); };
  if (header.size() <= auth_scheme.size() || header[auth_scheme.size()] != ' ' ||
      !std::equal(auth_scheme.begin(), auth_scheme.end(), header.begin(), same)) {
    return std::nullopt;
  }
  header.remove_prefix(auth_scheme.size() + 1);
  const auto space = header.find(' ');
  if (space == std::string_view::npos || space == 0) return std::nullopt;
  const auto proof = decode_proof(header.substr(space + 1));
  if (!proof) return std::nullopt;
  return Authorization{std::string(header.substr(0, space)), *proof};
}

}  // namespace qanat::wire
