#include "wire/vmport.h"

#include <sodium/crypto_generichash.h>

#include <algorithm>
#include <utility>

namespace qanat::wire::vmport {
namespace {

// "qanat" and three bytes that no text has.
constexpr std::array<std::uint8_t, 8> magic{'q', 'a', 'n', 'a', 't', 0x8e, 0xd1, 0x01};
constexpr std::size_t checksum_bytes = 16;  // of a guest's frame: the first eight
constexpr std::size_t guest_checksum_bytes = 8;

// Offsets of a host's frame: magic 8, kind, full, length, 0, id 4, wait 4, seed 64, 0 (12),
// checksum.
constexpr std::size_t kind_at = 8;
constexpr std::size_t full_at = 9;
constexpr std::size_t length_at = 10;
constexpr std::size_t id_at = 12;
constexpr std::size_t wait_at = 16;
constexpr std::size_t seed_at = 20;
static_assert(seed_at + most_seed + 12 + checksum_bytes == host_frame_bytes);
// Of a guest's: magic 8, kind, full_only, bytes, 0, id 4, 0 (8), checksum 8.
static_assert(id_at + 4 + 8 + guest_checksum_bytes == guest_frame_bytes);

std::size_t checksum_size(std::size_t frame_bytes) {
  return frame_bytes == host_frame_bytes ? checksum_bytes : guest_checksum_bytes;
}

// It keeps frames apart; it proves nothing: the host can read the guest's memory anyway.
std::array<std::uint8_t, checksum_bytes> checksum_of(Bytes frame) {
  std::array<std::uint8_t, checksum_bytes> out{};
  const Bytes covered = frame.first(frame.size() - checksum_size(frame.size()));
  ::crypto_generichash(out.data(), out.size(), covered.data(), covered.size(), nullptr, 0);
  return out;
}

void seal(MutableBytes frame) {
  const auto checksum = checksum_of(frame);
  std::copy_n(checksum.begin(), checksum_size(frame.size()),
              frame.last(checksum_size(frame.size())).begin());
}

bool is_sealed(Bytes frame) {
  const auto checksum = checksum_of(frame);
  return std::equal(magic.begin(), magic.end(), frame.begin()) &&
         std::equal(frame.end() - static_cast<std::ptrdiff_t>(checksum_size(frame.size())),
                    frame.end(), checksum.begin());
}

void put(MutableBytes frame, std::size_t at, std::uint32_t value) {
  for (std::size_t i = 0; i < 4; ++i) {
    frame[at + i] = static_cast<std::uint8_t>(value >> (24 - 8 * i));
  }
}

std::uint32_t get(Bytes frame, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | frame[at + i];
  return value;
}

}  // namespace

void encode(const HostFrame& frame, MutableBytes out) {
  std::fill(out.begin(), out.end(), std::uint8_t{0});
  std::copy(magic.begin(), magic.end(), out.begin());
  out[kind_at] = static_cast<std::uint8_t>(frame.kind);
  out[full_at] = frame.full ? 1 : 0;
  out[length_at] = static_cast<std::uint8_t>(frame.seed.size());
  put(out, id_at, frame.id);
  put(out, wait_at, frame.wait);
  std::copy(frame.seed.begin(), frame.seed.end(), out.subspan(seed_at).begin());
  seal(out);
}

std::array<std::uint8_t, guest_frame_bytes> encode(const GuestFrame& frame) {
  std::array<std::uint8_t, guest_frame_bytes> out{};
  std::copy(magic.begin(), magic.end(), out.begin());
  out[kind_at] = static_cast<std::uint8_t>(Kind::request);
  out[full_at] = frame.full_only ? 1 : 0;
  out[length_at] = static_cast<std::uint8_t>(frame.bytes);
  put(out, id_at, frame.id);
  seal(out);
  return out;
}

std::optional<HostFrame> decode_host(Bytes frame) {
  if (frame.size() != host_frame_bytes || !is_sealed(frame)) return std::nullopt;
  HostFrame out;
  out.kind = static_cast<Kind>(frame[kind_at]);
  out.full = frame[full_at] == 1;
  out.id = get(frame, id_at);
  out.wait = get(frame, wait_at);
  const std::size_t length = frame[length_at];
  const bool seed = out.kind == Kind::fresh || out.kind == Kind::answer;
  if (frame[full_at] > 1 || length > most_seed || (!seed && out.kind != Kind::refusal) ||
      seed != (length > 0)) {
    return std::nullopt;
  }
  out.seed = frame.subspan(seed_at, length);
  return out;
}

std::optional<GuestFrame> decode_guest(Bytes frame) {
  if (frame.size() != guest_frame_bytes || !is_sealed(frame)) return std::nullopt;
  const std::size_t bytes = frame[length_at];
  if (frame[kind_at] != static_cast<std::uint8_t>(Kind::request) || frame[full_at] > 1 ||
      bytes == 0 || bytes > most_seed) {
    return std::nullopt;
  }
  return GuestFrame{get(frame, id_at), bytes, frame[full_at] == 1};
}

void FrameReader::drop(std::size_t bytes) {
  const MutableBytes held = buffer_.view().first(filled_);
  std::copy(held.begin() + static_cast<std::ptrdiff_t>(bytes), held.end(), held.begin());
  filled_ -= bytes;
  wipe(held.subspan(filled_));
}

Bytes FrameReader::next() {
  drop(std::exchange(given_, 0));
  for (;;) {
    const Bytes held = Bytes(buffer_.view()).first(filled_);
    // As much of the magic as there is: the rest may come.
    auto at = held.begin();
    while (at != held.end() &&
           !std::equal(at, at + std::min(held.end() - at, std::ptrdiff_t{magic.size()}),
                       magic.begin())) {
      ++at;
    }
    const auto before = static_cast<std::size_t>(at - held.begin());
    skipped_ += before;
    drop(before);
    if (filled_ < frame_bytes_) return {};
    const Bytes frame = Bytes(buffer_.view()).first(frame_bytes_);
    if (is_sealed(frame)) {
      given_ = frame_bytes_;
      return frame;
    }
    // Only looked like one: another may begin within it.
    ++skipped_;
    drop(1);
  }
}

}  // namespace qanat::wire::vmport
