// The Simtec EntropyKey's protocol, version 0: its frames, its MACs and keys, what it tells of
// itself. docs/protocols/entropykey.md has its bytes.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/secret.h"

namespace qanat::wire::entropykey {

inline constexpr std::size_t frame_bytes = 64;
inline constexpr std::size_t content_bytes = 52;  // type, class and payload: what the MAC is of
inline constexpr std::size_t payload_bytes = 50;
inline constexpr std::size_t data_bytes = 32;  // of a frame of entropy, or of a half of a new key
inline constexpr std::size_t key_bytes = 32;
// What ekeyd sends; the device takes up to 4,095.
inline constexpr std::size_t nonce_bytes = 12;
inline constexpr std::uint16_t known_version = 0;

// Always understood, in every state: forget the session and say who you are.
inline constexpr std::string_view reset_command = "\x03";

using SerialNumber = std::array<std::uint8_t, 12>;
// 16 characters of base64: as in a keyring, on the device's card, and as its USB serial number.
std::string to_text(const SerialNumber& serial);
std::optional<SerialNumber> parse_serial(std::string_view text);

// What a hash or MAC is for.
enum class Purpose { session_key, frame_mac, entropy_pad, long_term_key, nonce_mac };
// Keyed with the device's serial number and `secret` (key_bytes); `out` holds 32 bytes.
void hash(const SerialNumber& serial, Bytes secret, Purpose purpose,
          std::initializer_list<Bytes> parts, std::span<std::uint8_t, 32> out);
using ShortMac = std::array<char, 8>;
ShortMac short_mac(const SerialNumber& serial, Bytes secret, Purpose purpose, Bytes message);

// The master key as the device's card has it: 32 bytes in base64, or 33, of which the last is a
// check digit. Blanks anywhere are left out. Empty when it is none, and then `why` says what is
// wrong.
SecretBytes parse_master_key(Bytes text, std::string& why);

// Finds frames in a stream of bytes: 64 of them, "* " first and CR LF last. What is none is passed
// over, a byte at a time, so that it finds the next one after any garbage. Holds at most
// frame_bytes more than it was fed.
class FrameReader {
 public:
  void feed(Bytes in);
  // The next frame, without a look at its MAC; it lasts until the next call of either.
  std::optional<std::string_view> next();
  void forget();
  // Bytes that were no frame's.
  std::uint64_t garbage() const { return garbage_; }

 private:
  std::string buffer_;
  std::size_t at_ = 0;
  std::uint64_t garbage_ = 0;
};

// The parts of a frame, and of its payload where that is binary.
struct Frame {
  explicit Frame(std::string_view whole)
      : content(whole.substr(2, content_bytes)), mac(whole.substr(2 + content_bytes, 8)) {}

  char type() const { return content[0]; }
  bool binary() const { return content[1] == '!'; }
  std::string_view payload() const { return content.substr(2); }
  // A number of 12 bits, low six first; nullopt when its two characters are no digits.
  std::optional<std::uint16_t> number() const;
  std::string_view number_text() const { return content.substr(2, 2); }
  // False unless the data are out.size() bytes and nothing behind them.
  bool data(MutableBytes out) const;

  std::string_view content;
  std::string_view mac;
};

// What one frame of information says. Names are those of the source's readings; absent: not in it.
struct Information {
  std::map<std::string, double> readings;
  std::optional<char> failure;  // '0': none
};
// Blocks that make no sense are passed over.
Information parse_information(std::string_view payload);

// "its generators are correlated", for a fail mode other than '0'. With what it measured where that
// is known.
std::string describe_failure(char failure, const std::map<std::string, double>& readings);

}  // namespace qanat::wire::entropykey
