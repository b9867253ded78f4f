// Entropy Broker's protocol, version 7, both sides. docs/protocols/broker.md.
//
// In its words a server delivers entropy to the broker and a client takes it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/secret.h"
#include "spec/address.h"
#include "spec/spec.h"
#include "wire/status.h"

namespace qanat::wire::broker {

inline constexpr std::string_view version = "0007";
// Names, challenges and descriptions of real peers have a dozen characters; theirs may have 100 MB.
inline constexpr std::size_t most_string = 255;
// Of one payload: what the original is set to. It would take more from us; no peer needs it.
inline constexpr std::size_t most_bytes = 4096;
inline constexpr std::size_t most_digest = 64;

enum class Code : unsigned {
  take = 1,      // peer: so many bits, please. Broker, to `deliver`: send so many
  deliver = 2,   // peer: I have so many bits. Broker, to `take`: here they are
  producer = 3,  // what the peer is; a string follows
  ping = 4,
  pong = 5,
  consumer = 6,     // what the peer is; a string follows
  kernel = 7,       // broker: how full is your kernel's pool?
  filling = 8,      // the answer; a string follows
  available = 9,    // broker, unasked: there is something again
  wanted = 10,      // broker, unasked: send what you have
  empty = 9000,     // try again in so many seconds
  full = 9001,      // try again in so many seconds
  quota = 9002,     // try again in so many seconds
  accepted = 9003,  // full, and it takes so many bits nevertheless
  all_full = 9004,
  log_out = 9999,
};

struct Message {
  unsigned code = 0;
  std::uint32_t value = 0;
  bool is(Code other) const { return code == static_cast<unsigned>(other); }
};

inline constexpr std::size_t integer_bytes = 4;
std::array<std::uint8_t, integer_bytes> encode_integer(std::uint32_t value);
std::uint32_t decode_integer(Bytes in);  // its first integer_bytes

inline constexpr std::size_t message_bytes = 4 + integer_bytes;
std::array<std::uint8_t, message_bytes> encode(Code code, std::uint32_t value);

// What stands at the beginning of `in`, which took `used` bytes. Total, as are those below.
Status decode(Bytes in, Message& out, std::size_t& used);
// A length and that many bytes; `out` points into `in`.
Status decode_string(Bytes in, std::string_view& out, std::size_t& used);

// The broker's first words.
struct Hello {
  std::string hash;       // of the handshake
  std::string mac;        // of payloads: a plain hash, in truth
  std::string cipher;     // of payloads
  std::string challenge;  // a number of 64 bits, in decimal
};
std::vector<std::uint8_t> encode(const Hello& hello);
Status decode(Bytes in, Hello& out, std::size_t& used);

// The peer's answer.
struct Login {
  std::string_view user;
  Bytes proof;            // hash(challenge + " " + password)
  bool delivers = false;  // a server, in their words
  std::string_view description;
};
std::vector<std::uint8_t> encode(const Login& login);
// `proof_bytes`: of the hash that the broker has named. `out` points into `in`.
Status decode(Bytes in, std::size_t proof_bytes, Login& out, std::size_t& used);
// The longest login.
inline constexpr std::size_t most_login = 4 + most_string + most_digest + 1 + 4 + most_string;
// And the longest hello.
inline constexpr std::size_t most_hello = 4 + 4 * (4 + most_string);

// One who may log in.
struct User {
  std::string name;
  std::string password;
  std::uint64_t bits_per_second = 0;  // at most; 0: as much as there is
};
// Lines of name|password|bits a second; the last may be missing. Empty lines and those that begin
// with '#' are passed over. The Error names the line.
Result<std::vector<User>> parse_users(std::string_view text);
// A line with the name and one with the password, as `-X FILE` of its programs wants them, or the
// password alone. The Error says what is wrong with the file.
Result<User> parse_password_file(std::string_view text, const std::string& user);

// Where we log in: "//USER:PASSFILE@HOST:PORT".
struct Account {
  std::string user;
  std::string password_file;
  spec::Address address;
};
Result<Account> parse_account(std::string_view target);
// The same of a source's or an outlet's name. Throws Failure.
Account require_account(const spec::Spec& spec);
inline constexpr std::uint16_t usual_port = 55225;

// The names of the protocol and what they are to OpenSSL; null when there is none.
struct CipherName {
  std::string_view name;
  const char* algorithm;
  std::size_t key_bytes;  // 0: the whole password, of least_key to most_key bytes
  std::size_t block_bytes;
  std::size_t least_key = 1;
  std::size_t most_key = ~std::size_t{0};
  bool takes(std::string_view password) const {
    return password.size() >= least_key && password.size() <= most_key;
  }
};
struct HashName {
  std::string_view name;
  const char* algorithm;
  std::size_t output_bytes;
};
const CipherName* find_cipher(std::string_view name);
const HashName* find_hash(std::string_view name);
// "aes, 3des, ...", for messages.
std::string known_ciphers();
std::string known_hashes();

}  // namespace qanat::wire::broker
