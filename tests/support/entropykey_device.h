// What an EntropyKey would send: frames with the right MACs, from the codec's own hash. Whether
// that is the device's, known answers and ekeyd say (tests/crypto, tests/acceptance).
#pragma once

#include <algorithm>
#include <string>

#include "wire/entropykey.h"

namespace qanat::test {

struct EntropyKeyDevice {
  wire::entropykey::SerialNumber serial = *wire::entropykey::parse_serial("NwBvBlg3OTBJORFD");
  std::array<std::uint8_t, 32> long_term_key{1, 2, 3};
  std::array<std::uint8_t, 32> master_key{4, 5, 6};
  std::array<std::uint8_t, 32> session_key{};
  unsigned number = 0;

  std::string frame(std::string content) const {
    content.resize(wire::entropykey::content_bytes, ' ');
    const auto mac =
        short_mac(serial, session_key, wire::entropykey::Purpose::frame_mac, as_bytes(content));
    return "* " + content + std::string(mac.data(), mac.size()) + "\r\n";
  }
  static std::string twelve_bits(unsigned value) {
    constexpr std::string_view digits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    return {digits[value & 63], digits[value >> 6 & 63]};
  }
  std::string binary(char type, unsigned value, Bytes data) const {
    return frame(type + std::string("!") + twelve_bits(value) + to_base64(data));
  }

  std::string hello() {
    session_key = {};
    return binary('S', 0, serial);
  }
  // What it answers to 'K', a nonce and '.'.
  std::string answer_rekey(std::string_view command) {
    const auto nonce = nonce_of(command);
    const std::array<std::uint8_t, 32> ours{7, 8, 9};
    const std::string answer = binary('K', static_cast<unsigned>(nonce.size()), ours);
    wire::entropykey::hash(serial, long_term_key, wire::entropykey::Purpose::session_key,
                           {ours, nonce}, session_key);
    number = 0;
    return answer;
  }
  std::string answer_long_term(std::string_view command) {
    const auto nonce = nonce_of(command);
    const std::array<std::uint8_t, 32> ours{10, 11, 12};
    const std::string answer = binary('L', static_cast<unsigned>(nonce.size()), ours);
    wire::entropykey::hash(serial, master_key, wire::entropykey::Purpose::long_term_key,
                           {ours, nonce}, long_term_key);
    return answer;
  }
  std::string entropy(Bytes data) {
    std::array<std::uint8_t, 32> sealed{};
    const std::string text = twelve_bits(number);
    wire::entropykey::hash(serial, session_key, wire::entropykey::Purpose::entropy_pad,
                           {as_bytes(text)}, sealed);
    for (std::size_t i = 0; i < sealed.size(); ++i) {
      sealed[i] = static_cast<std::uint8_t>(sealed[i] ^ data[i]);
    }
    return binary('E', number++, sealed);
  }

  static std::vector<std::uint8_t> nonce_of(std::string_view command) {
    std::vector<std::uint8_t> nonce(wire::entropykey::nonce_bytes);
    if (!read_base64(command.substr(1, command.size() - 2), nonce)) nonce.clear();
    return nonce;
  }
};

}  // namespace qanat::test
