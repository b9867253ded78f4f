#include "base/bytes.h"

#include <sodium.h>

namespace qanat {

void write_hex(Bytes bytes, std::span<char> out) {
  static constexpr char digits[] = "0123456789abcdef";
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    out[2 * i] = digits[bytes[i] >> 4];
    out[2 * i + 1] = digits[bytes[i] & 15];
  }
}

std::string to_hex(Bytes bytes) {
  std::string text(2 * bytes.size(), '\0');
  write_hex(bytes, text);
  return text;
}

bool read_hex(std::string_view text, MutableBytes out) {
  if (text.size() != 2 * out.size()) return false;
  if (text.empty()) return true;  // libsodium takes no null pointer
  std::size_t length = 0;
  const char* end = nullptr;
  return sodium_hex2bin(out.data(), out.size(), text.data(), text.size(), nullptr, &length, &end) ==
             0 &&
         end == text.data() + text.size();
}

std::optional<std::vector<std::uint8_t>> from_hex(std::string_view text) {
  std::vector<std::uint8_t> bytes(text.size() / 2);
  if (!read_hex(text, bytes)) return std::nullopt;
  return bytes;
}

std::string to_base64(Bytes bytes) {
  std::string text(base64_size(bytes.size()), '\0');
  write_base64(bytes, text);
  return text;
}

std::string to_base64url(Bytes bytes) {
  constexpr int variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
  std::string text(sodium_base64_ENCODED_LEN(bytes.size(), variant), '\0');
  sodium_bin2base64(text.data(), text.size(), bytes.data(), bytes.size(), variant);
  text.pop_back();  // libsodium counts the terminating NUL
  return text;
}

std::optional<std::vector<std::uint8_t>> from_base64url(std::string_view text) {
  std::vector<std::uint8_t> bytes(text.size() / 4 * 3 + 3);
  std::size_t length = 0;
  const char* end = nullptr;
  if (sodium_base642bin(bytes.data(), bytes.size(), text.data(), text.size(), nullptr, &length,
                        &end, sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
      end != text.data() + text.size()) {
    return std::nullopt;
  }
  bytes.resize(length);
  return bytes;
}

std::size_t base64_size(std::size_t bytes) { return (bytes + 2) / 3 * 4; }

void write_base64(Bytes bytes, std::span<char> out) {
  static constexpr char digits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::size_t o = 0;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = bytes.size() - i;
    const std::uint32_t group = static_cast<std::uint32_t>(bytes[i]) << 16 |
                                (left > 1 ? static_cast<std::uint32_t>(bytes[i + 1]) << 8 : 0) |
                                (left > 2 ? bytes[i + 2] : 0U);
    out[o++] = digits[group >> 18];
    out[o++] = digits[group >> 12 & 63];
    out[o++] = left > 1 ? digits[group >> 6 & 63] : '=';
    out[o++] = left > 2 ? digits[group & 63] : '=';
  }
}

bool read_base64(std::string_view text, MutableBytes out) {
  if (text.size() != base64_size(out.size())) return false;
  if (text.empty()) return true;  // libsodium takes no null pointer
  std::size_t length = 0;
  const char* end = nullptr;
  return sodium_base642bin(out.data(), out.size(), text.data(), text.size(), nullptr, &length, &end,
                           sodium_base64_VARIANT_ORIGINAL) == 0 &&
         end == text.data() + text.size() && length == out.size();
}

bool equal_constant_time(Bytes a, Bytes b) {
  if (a.size() != b.size()) return false;
  // The size of every MAC of a packet; five times as fast.
  if (a.size() == crypto_verify_16_BYTES) return crypto_verify_16(a.data(), b.data()) == 0;
  return sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace qanat
