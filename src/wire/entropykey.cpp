#include "wire/entropykey.h"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

#include "base/quantity.h"
#include "crypto/skein.h"

namespace qanat::wire::entropykey {
namespace {

constexpr std::string_view frame_start = "* ";
constexpr std::string_view frame_end = "\r\n";
constexpr std::string_view base64_digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::size_t words_bytes = 96;
std::string personalisation(Purpose purpose) {
  constexpr std::array<std::string_view, 5> names{
      "ReKeyingState", "MessageAuthenticationCodeState", "EntropyEncryptionState",
      "LongTermReKeyingState", "MessageAuthenticationCodeStateForLongTermReKeying"};
  std::string words = "20090609 support@simtec.co.uk EntropyKey/v1/";
  words += names.at(static_cast<std::size_t>(purpose));
  words.resize(words_bytes, ' ');
  return words;
}

// Serial number and secret, as Skein's key.
class KeyAndSerial {
 public:
  KeyAndSerial(const SerialNumber& serial, Bytes secret) {
    std::copy(serial.begin(), serial.end(), bytes_.data());
    std::copy_n(secret.begin(), std::min(secret.size(), key_bytes), bytes_.data() + serial.size());
  }
  Bytes view() const { return bytes_.view(); }

 private:
  WipedArray<SerialNumber{}.size() + key_bytes> bytes_;
};

// CRC-8 with the polynomial x^8 + x^5 + x^4 + 1, from 0xff: what ekey-setkey accepts.
std::uint8_t check_digit(Bytes bytes) {
  unsigned crc = 0xff;
  for (const std::uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc << 1 ^ ((crc & 0x80) != 0 ? 0x31U : 0U)) & 0xff;
  }
  return static_cast<std::uint8_t>(crc);
}

// "00012:3:..." as numbers; empty when one is none.
std::vector<double> numbers_of(std::string_view text) {
  std::vector<double> numbers;
  while (true) {
    const std::size_t end = std::min(text.find(':'), text.size());
    const auto number = parse_number<std::uint32_t>(text.substr(0, end));
    if (!number) return {};
    numbers.push_back(*number);
    if (end == text.size()) return numbers;
    text.remove_prefix(end + 1);
  }
}

void read_generators(std::string_view text, Information& out) {
  const std::size_t last = text.rfind(':');
  if (last == std::string_view::npos || last + 2 != text.size()) return;
  out.failure = text.back();
  const auto n = numbers_of(text.substr(0, last));
  if (n.size() != 8) return;
  const auto per_byte = [&](const char* name, double shannons, double bytes) {
    if (bytes > 0) out.readings[name] = shannons / bytes;
  };
  per_byte("raw_shannons_per_byte_left", n[1], n[0]);
  per_byte("raw_shannons_per_byte_right", n[2], n[0]);
  per_byte("raw_shannons_per_byte_xor", n[3], n[0]);
  per_byte("debiased_shannons_per_byte_left", n[5], n[4]);
  per_byte("debiased_shannons_per_byte_right", n[7], n[6]);
}

void read_fips(std::string_view text, Information& out) {
  constexpr std::array names{"fips_frames", "fips_failed", "fips_monobit_failed",
                             "fips_poker_failed", "fips_runs_failed"};
  const auto n = numbers_of(text);
  if (n.size() != names.size()) return;
  for (std::size_t i = 0; i < names.size(); ++i) out.readings[names[i]] = n[i];
}

void read_scaled(std::string_view text, const char* name, double unit, Information& out) {
  if (const auto n = numbers_of(text); n.size() == 1) out.readings[name] = n[0] * unit;
}

}  // namespace

std::string to_text(const SerialNumber& serial) { return to_base64(serial); }

std::optional<SerialNumber> parse_serial(std::string_view text) {
  SerialNumber serial{};
  if (!read_base64(text, serial)) return std::nullopt;
  return serial;
}

void hash(const SerialNumber& serial, Bytes secret, Purpose purpose,
          std::initializer_list<Bytes> parts, std::span<std::uint8_t, 32> out) {
  crypto::Skein256 skein(KeyAndSerial(serial, secret).view(), personalisation(purpose));
  for (const Bytes part : parts) skein.update(part);
  skein.finish(out);
}

ShortMac short_mac(const SerialNumber& serial, Bytes secret, Purpose purpose, Bytes message) {
  crypto::Skein256 skein(KeyAndSerial(serial, secret).view(), personalisation(purpose));
  skein.update(message);
  std::array<std::uint8_t, crypto::Skein256::output_bytes> whole{};
  skein.finish_without_output(whole);
  ShortMac mac{};
  write_base64(Bytes(whole).first(3), std::span(mac).first(4));
  write_base64(Bytes(whole).last(3), std::span(mac).last(4));
  return mac;
}

SecretBytes parse_master_key(Bytes text, std::string& why) {
  constexpr std::size_t most = 44;
  SecretBytes digits(most);
  std::size_t count = 0;
  for (const std::uint8_t c : text) {
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
    if (count == most) {
      count = 0;  // too many
      break;
    }
    digits.view()[count++] = c;
  }
  const std::string_view written = as_text(digits.view()).substr(0, count);
  SecretBytes key(key_bytes);
  if (read_base64(written, key.view())) return key;
  WipedArray<key_bytes + 1> checked;
  if (!read_base64(written, checked.view())) {
    why = "not a master key: 44 letters, digits, '+', '/' and '=', as on the device's card";
    return {};
  }
  const Bytes both = checked.view();
  if (check_digit(both.first(key_bytes)) != both.back()) {
    why = "its check digit does not fit: a character is mistyped (0 and O, 1 and l and I?)";
    return {};
  }
  std::copy_n(both.begin(), key_bytes, key.view().begin());
  return key;
}

void FrameReader::feed(Bytes in) {
  buffer_.erase(0, at_);
  at_ = 0;
  buffer_ += as_text(in);
}

std::optional<std::string_view> FrameReader::next() {
  while (true) {
    const std::string_view rest = std::string_view(buffer_).substr(at_);
    // A start that is cut may be one.
    const std::size_t n = std::min(rest.size(), frame_start.size());
    if (rest.substr(0, n) == frame_start.substr(0, n)) {
      if (rest.size() < frame_bytes) return std::nullopt;
      const std::string_view frame = rest.substr(0, frame_bytes);
      if (frame.ends_with(frame_end)) {
        at_ += frame_bytes;
        return frame;
      }
    }
    ++at_;
    ++garbage_;
  }
}

void FrameReader::forget() {
  buffer_.clear();
  at_ = 0;
}

std::optional<std::uint16_t> Frame::number() const {
  const std::size_t low = base64_digits.find(content[2]);
  const std::size_t high = base64_digits.find(content[3]);
  if (low == std::string_view::npos || high == std::string_view::npos) return std::nullopt;
  return static_cast<std::uint16_t>(low | high << 6);
}

bool Frame::data(MutableBytes out) const {
  std::string_view text = payload().substr(2);
  text = text.substr(0, text.find_last_not_of(' ') + 1);
  return read_base64(text, out);
}

Information parse_information(std::string_view payload) {
  Information out;
  while (!payload.empty()) {
    const std::size_t end = std::min(payload.find(' '), payload.size());
    const std::string_view block = payload.substr(0, end);
    payload.remove_prefix(std::min(end + 1, payload.size()));
    if (block.empty()) continue;
    const std::string_view value = block.substr(1);
    switch (block[0]) {
      case 'T':
        read_scaled(value, "temperature_kelvin", 0.1, out);
        break;
      case 'V':
        read_scaled(value, "supply_volts", 0.001, out);
        break;
      case 'F':
        read_fips(value, out);
        break;
      case 'S':
        read_generators(value, out);
        break;
      default:
        break;
    }
  }
  return out;
}

std::string describe_failure(char failure, const std::map<std::string, double>& readings) {
  const auto with = [&](std::string words, const char* reading, const char* unit) {
    const auto found = readings.find(reading);
    if (found == readings.end()) return words;
    return fmt::format("{}: {:.{}f} {}", words, found->second, *unit == 'K' ? 1 : 3, unit);
  };
  switch (failure) {
    case '1':
      return "its left generator is no longer random";
    case '2':
      return "its right generator is no longer random";
    case '3':
      return "its generators are correlated";
    case '4':
      return "its left generator is strongly biased";
    case '5':
      return "its right generator is strongly biased";
    case '7':
      return with("it is too cold", "temperature_kelvin", "K");
    case '8':
      return with("it is too hot", "temperature_kelvin", "K");
    case '9':
      return "too many of its blocks fail the FIPS 140-2 tests";
    case 'A':
      return with("its supply voltage is too low", "supply_volts", "V");
    case 'B':
      return with("its supply voltage is too high", "supply_volts", "V");
    default:
      break;
  }
  const bool printable = failure > ' ' && failure < 0x7f;
  return fmt::format("it reports a fail mode that is not known: '{}'", printable ? failure : '?');
}

}  // namespace qanat::wire::entropykey
