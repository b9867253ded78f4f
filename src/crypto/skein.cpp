#include "crypto/skein.h"

#include <algorithm>
#include <bit>

#include "base/secret.h"

namespace qanat::crypto {
namespace {

// Types of Skein's inputs, and the two flags, in the upper half of Threefish's tweak (Skein 1.1,
// 3.5.1).
constexpr std::uint64_t type_key = 0;
constexpr std::uint64_t type_config = 4;
constexpr std::uint64_t type_personalisation = 8;
constexpr std::uint64_t type_message = 48;
constexpr std::uint64_t type_output = 63;
constexpr unsigned type_shift = 56;
constexpr std::uint64_t first_flag = 1ULL << 62;
constexpr std::uint64_t final_flag = 1ULL << 63;

constexpr unsigned threefish_rounds = 72;
constexpr std::uint64_t key_parity = 0x5555555555555555;
struct Rotations {
  int first, second;
};
constexpr std::array<Rotations, 8> skein_rotations{
    {{5, 56}, {36, 28}, {13, 46}, {58, 44}, {26, 20}, {53, 35}, {11, 42}, {59, 50}}};

std::uint64_t read_word(Bytes from) {
  std::uint64_t word = 0;
  for (std::size_t i = 8; i-- > 0;) word = word << 8 | from[i];
  return word;
}

void write_word(std::uint64_t word, MutableBytes to) {
  for (std::size_t i = 0; i < 8; ++i) to[i] = static_cast<std::uint8_t>(word >> 8 * i);
}

}  // namespace

Skein256::Skein256(Bytes key, std::string_view personalisation) {
  begin(type_key);
  update(key);
  close();
  // "SHA3", version 1; an output of 256 bits; no tree.
  begin(type_config);
  std::array<std::uint8_t, block_bytes> config{'S', 'H', 'A', '3', 1};
  write_word(8 * output_bytes, MutableBytes(config).subspan(8));
  update(config);
  close();
  // Not closed: the device's code forgets what is pending when the next type begins. So the last
  // block of the personalisation does not count, and none is marked as the final one.
  begin(type_personalisation);
  update(as_bytes(personalisation));
  begin(type_message);
}

Skein256::~Skein256() {
  wipe({reinterpret_cast<std::uint8_t*>(chain_.data()), sizeof chain_});
  wipe(pending_);
}

void Skein256::begin(std::uint64_t type) {
  flags_ = type << type_shift | first_flag;
  position_ = 0;
  pending_bytes_ = 0;
}

void Skein256::update(Bytes part) {
  while (!part.empty()) {
    if (pending_bytes_ == block_bytes) {
      process(pending_, block_bytes);
      pending_bytes_ = 0;
    }
    const std::size_t n = std::min(part.size(), block_bytes - pending_bytes_);
    std::copy_n(part.begin(), n, pending_.begin() + static_cast<std::ptrdiff_t>(pending_bytes_));
    pending_bytes_ += n;
    part = part.subspan(n);
  }
}

void Skein256::close() {
  flags_ |= final_flag;
  std::fill(pending_.begin() + static_cast<std::ptrdiff_t>(pending_bytes_), pending_.end(),
            std::uint8_t{0});
  process(pending_, pending_bytes_);
}

void Skein256::finish_without_output(std::span<std::uint8_t, output_bytes> out) {
  close();
  for (std::size_t i = 0; i < chain_.size(); ++i) write_word(chain_[i], out.subspan(8 * i));
}

void Skein256::finish(std::span<std::uint8_t, output_bytes> out) {
  close();
  begin(type_output);
  constexpr std::array<std::uint8_t, 8> block_number{};
  update(block_number);
  finish_without_output(out);
}

// Threefish-256 with the chain as its key, fed forward.
void Skein256::process(Bytes block, std::size_t counted) {
  position_ += counted;
  const std::array<std::uint64_t, 5> key{
      chain_[0], chain_[1], chain_[2], chain_[3],
      key_parity ^ chain_[0] ^ chain_[1] ^ chain_[2] ^ chain_[3]};
  const std::array<std::uint64_t, 3> tweak{position_, flags_, position_ ^ flags_};
  Words plain{};
  for (std::size_t i = 0; i < plain.size(); ++i) plain[i] = read_word(block.subspan(8 * i));
  std::uint64_t a = plain[0];
  std::uint64_t b = plain[1];
  std::uint64_t c = plain[2];
  std::uint64_t d = plain[3];
  const auto add_subkey = [&](unsigned s) {
    a += key[s % 5];
    b += key[(s + 1) % 5] + tweak[s % 3];
    c += key[(s + 2) % 5] + tweak[(s + 1) % 3];
    d += key[(s + 3) % 5] + s;
  };
  for (unsigned round = 0; round < threefish_rounds; ++round) {
    if (round % 4 == 0) add_subkey(round / 4);
    const auto [first, second] = skein_rotations[round % skein_rotations.size()];
    a += b;
    b = std::rotl(b, first) ^ a;
    c += d;
    d = std::rotl(d, second) ^ c;
    std::swap(b, d);
  }
  add_subkey(threefish_rounds / 4);
  chain_ = {a ^ plain[0], b ^ plain[1], c ^ plain[2], d ^ plain[3]};
  flags_ &= ~first_flag;
}

}  // namespace qanat::crypto
