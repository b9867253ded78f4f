// How a hub and a client prove to each other that they hold the same pre-shared key, over a TLS
// connection whose server key the client has pinned. docs/join-strings.md.
//
// client -> hub: "Authorization: Qanat NAME HEX(HMAC(key, "client" | exporter))"
// hub -> client: "Qanat-Proof: HEX(HMAC(key, "hub" | exporter))"
//
// HMAC is HMAC-SHA-512, cut to 32 bytes. The exporter (RFC 8446, 7.5) belongs to one connection, so
// a proof is of no use on another, nor to one in the middle.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace qanat::wire {

inline constexpr std::string_view exporter_label = "EXPORTER-qanat-join-v1";
constexpr std::size_t exporter_bytes = 32;
using Proof = std::array<std::uint8_t, 32>;

enum class Prover { client, hub };
Proof make_proof(Prover prover, Bytes shared_key, Bytes exporter);

// Of the Authorization field, and of the challenge that goes with a 401.
inline constexpr std::string_view auth_scheme = "Qanat";

struct Authorization {
  std::string name;
  Proof proof;
};
std::string encode(const Authorization& authorization);
// nullopt for anything but "Qanat NAME 64-hex-digits".
std::optional<Authorization> decode_authorization(std::string_view header);
std::optional<Proof> decode_proof(std::string_view header);

}  // namespace qanat::wire
