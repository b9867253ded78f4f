#include "wire/broker.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "base/quantity.h"

namespace qanat::wire::broker {
namespace {

constexpr std::array ciphers{
    CipherName{"blowfish", "BF-CFB", 0, 8, 4, 56},
    CipherName{"3des", "DES-EDE3-CFB", 24, 8},
    CipherName{"aes", "AES-128-CFB", 16, 16},
    CipherName{"camellia", "CAMELLIA-128-CFB", 16, 16},
};
constexpr std::array hashes{
    HashName{"sha512", "SHA512", 64},
    HashName{"ripemd160", "RIPEMD160", 20},
    HashName{"whirlpool", "WHIRLPOOL", 64},
    HashName{"md5", "MD5", 16},
};

void append_string(std::vector<std::uint8_t>& out, std::string_view text) {
  const auto length = encode_integer(static_cast<std::uint32_t>(text.size()));
  out.insert(out.end(), length.begin(), length.end());
  out.insert(out.end(), text.begin(), text.end());
}

bool is_digit(std::uint8_t byte) { return byte >= '0' && byte <= '9'; }

template <typename Names>
std::string list_of(const Names& names) {
  std::string list;
  for (const auto& each : names) list += fmt::format("{}{}", list.empty() ? "" : ", ", each.name);
  return list;
}

}  // namespace

std::array<std::uint8_t, integer_bytes> encode_integer(std::uint32_t value) {
  return {static_cast<std::uint8_t>(value >> 24), static_cast<std::uint8_t>(value >> 16),
          static_cast<std::uint8_t>(value >> 8), static_cast<std::uint8_t>(value)};
}

std::uint32_t decode_integer(Bytes in) {
  return static_cast<std::uint32_t>(in[0]) << 24 | static_cast<std::uint32_t>(in[1]) << 16 |
         static_cast<std::uint32_t>(in[2]) << 8 | in[3];
}

std::array<std::uint8_t, message_bytes> encode(Code code, std::uint32_t value) {
  std::array<std::uint8_t, message_bytes> out{};
  auto rest = static_cast<unsigned>(code);
  for (int i = 3; i >= 0; --i, rest /= 10) {
    out[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>('0' + rest % 10);
  }
  const auto number = encode_integer(value);
  std::copy(number.begin(), number.end(), out.begin() + 4);
  return out;
}

Status decode(Bytes in, Message& out, std::size_t& used) {
  const Bytes digits = in.first(std::min<std::size_t>(in.size(), 4));
  if (!std::all_of(digits.begin(), digits.end(), is_digit)) return Status::malformed;
  if (in.size() < message_bytes) return Status::incomplete;
  out.code = 0;
  for (const std::uint8_t digit : digits) out.code = 10 * out.code + (digit - '0');
  out.value = decode_integer(in.subspan(4));
  used = message_bytes;
  return Status::complete;
}

Status decode_string(Bytes in, std::string_view& out, std::size_t& used) {
  if (in.size() < 4) return Status::incomplete;
  const std::size_t length = decode_integer(in);
  if (length > most_string) return Status::malformed;
  if (in.size() < 4 + length) return Status::incomplete;
  out = as_text(in.subspan(4, length));
  used = 4 + length;
  return Status::complete;
}

std::vector<std::uint8_t> encode(const Hello& hello) {
  std::vector<std::uint8_t> out(version.begin(), version.end());
  for (const std::string* text : {&hello.hash, &hello.mac, &hello.cipher, &hello.challenge}) {
    append_string(out, *text);
  }
  return out;
}

Status decode(Bytes in, Hello& out, std::size_t& used) {
  const std::size_t head = std::min(in.size(), version.size());
  if (as_text(in.first(head)) != version.substr(0, head)) return Status::malformed;
  if (in.size() < version.size()) return Status::incomplete;
  used = version.size();
  for (std::string* text : {&out.hash, &out.mac, &out.cipher, &out.challenge}) {
    std::string_view found;
    std::size_t taken = 0;
    const Status status = decode_string(in.subspan(used), found, taken);
    if (status != Status::complete) return status;
    *text = found;
    used += taken;
  }
  std::uint64_t number = 0;
  const char* const end = out.challenge.data() + out.challenge.size();
  const auto [at, problem] = std::from_chars(out.challenge.data(), end, number);
  return problem == std::errc() && at == end ? Status::complete : Status::malformed;
}

std::vector<std::uint8_t> encode(const Login& login) {
  std::vector<std::uint8_t> out;
  append_string(out, login.user);
  out.insert(out.end(), login.proof.begin(), login.proof.end());
  out.push_back(login.delivers ? 1 : 0);
  append_string(out, login.description);
  return out;
}

Status decode(Bytes in, std::size_t proof_bytes, Login& out, std::size_t& used) {
  std::size_t taken = 0;
  Status status = decode_string(in, out.user, taken);
  if (status != Status::complete) return status;
  if (out.user.empty()) return Status::malformed;
  used = taken;
  if (in.size() < used + proof_bytes + 1) return Status::incomplete;
  out.proof = in.subspan(used, proof_bytes);
  out.delivers = in[used + proof_bytes] != 0;
  used += proof_bytes + 1;
  status = decode_string(in.subspan(used), out.description, taken);
  used += taken;
  return status;
}

Result<std::vector<User>> parse_users(std::string_view text) {
  std::vector<User> users;
  for (std::size_t number = 1; !text.empty(); ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with('#')) continue;
    const std::size_t first = line.find('|');
    if (first == std::string_view::npos) {
      return error(fmt::format("line {}: is not NAME|PASSWORD|BITS-PER-SECOND", number));
    }
    const std::size_t second = line.find('|', first + 1);
    User user;
    user.name = line.substr(0, first);
    user.password = line.substr(first + 1, second - first - 1);
    if (user.name.empty() || user.name.size() > most_string || user.password.empty()) {
      return error(
          fmt::format("line {}: the name or the password is empty, or the name is longer "
                      "than {} characters",
                      number, most_string));
    }
    if (second != std::string_view::npos && second + 1 < line.size()) {
      const std::string_view rate = line.substr(second + 1);
      const auto bits = parse_number<std::uint64_t>(rate);
      if (!bits) {
        return error(fmt::format("line {}: '{}' is not a number of bits per second", number, rate));
      }
      user.bits_per_second = *bits;
    }
    const bool twice = std::any_of(users.begin(), users.end(),
                                   [&](const User& other) { return other.name == user.name; });
    if (twice) return error(fmt::format("line {}: the user {} is there twice", number, user.name));
    users.push_back(std::move(user));
  }
  return users;
}

Result<User> parse_password_file(std::string_view text, const std::string& user) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) lines.emplace_back(line);
  }
  if (lines.size() == 2 && lines.front() != user) {
    return error(fmt::format("is of the user {}, not of {}", lines.front(), user));
  }
  if (lines.empty() || lines.size() > 2) {
    return error("is not a line with the user's name and a line with the password");
  }
  return User{user, lines.back()};
}

Result<Account> parse_account(std::string_view target) {
  const std::size_t at = target.rfind('@');
  const std::size_t colon = target.find(':');
  if (!target.starts_with("//") || at == std::string_view::npos || colon > at) {
    return error("write broker://USER:PASSFILE@HOST:PORT");
  }
  Account account;
  account.user = target.substr(2, colon - 2);
  account.password_file = target.substr(colon + 1, at - colon - 1);
  if (account.user.empty() || account.user.size() > most_string || account.password_file.empty()) {
    return error("write broker://USER:PASSFILE@HOST:PORT");
  }
  auto address = spec::parse_address(target.substr(at + 1), usual_port);
  if (!address) return tl::unexpected(address.error());
  account.address = std::move(*address);
  return account;
}

Account require_account(const spec::Spec& spec) {
  auto account = parse_account(spec.target);
  if (!account) throw Failure(fmt::format("{}: {}", spec.text, account.error().message));
  return std::move(*account);
}

const CipherName* find_cipher(std::string_view name) {
  const auto* const found = std::find_if(ciphers.begin(), ciphers.end(),
                                         [&](const auto& each) { return each.name == name; });
  return found == ciphers.end() ? nullptr : found;
}

const HashName* find_hash(std::string_view name) {
  const auto* const found = std::find_if(hashes.begin(), hashes.end(),
                                         [&](const auto& each) { return each.name == name; });
  return found == hashes.end() ? nullptr : found;
}

std::string known_ciphers() { return list_of(ciphers); }
std::string known_hashes() { return list_of(hashes); }

}  // namespace qanat::wire::broker
