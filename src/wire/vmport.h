// Seeds for a guest over a byte stream that a snapshot may cut anywhere: a virtio-serial port,
// vsock. docs/protocols/vmport.md.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/secret.h"

namespace qanat::wire::vmport {

inline constexpr std::size_t most_seed = 64;
// All frames of a direction have one length: so half a frame of before a snapshot is complete, and
// seen to be none, by the time that the first frame after it is.
inline constexpr std::size_t host_frame_bytes = 112;
inline constexpr std::size_t guest_frame_bytes = 32;

enum class Kind : std::uint8_t {
  fresh = 1,    // host, unasked: this connection is new, and so may the guest be
  answer = 2,   // host: what was asked for
  refusal = 3,  // host: not now; ask again after `wait` seconds
  request = 4,  // guest: a seed, please
};

struct HostFrame {
  Kind kind = Kind::fresh;
  bool full = false;       // the grade of the seed
  std::uint32_t id = 0;    // of the request that this answers
  std::uint32_t wait = 0;  // seconds, of a refusal
  Bytes seed;              // 1 to most_seed bytes, none in a refusal; points into what was read
};

struct GuestFrame {
  std::uint32_t id = 0;    // the guest's; it comes back with the answer
  std::size_t bytes = 0;   // wanted, 1 to most_seed
  bool full_only = false;  // rather nothing than grade drbg
};

// Into host_frame_bytes of secret memory.
void encode(const HostFrame& frame, MutableBytes out);
std::array<std::uint8_t, guest_frame_bytes> encode(const GuestFrame& frame);

// A frame of exactly its length; nullopt for anything else. Total.
std::optional<HostFrame> decode_host(Bytes frame);
std::optional<GuestFrame> decode_guest(Bytes frame);

// Finds the frames in a stream. What is none is passed over, a byte at a time: after a restore the
// rest of a frame of before may stand there. Bytes are wiped once they are passed.
class FrameReader {
 public:
  // Of frames of `frame_bytes`.
  explicit FrameReader(std::size_t frame_bytes)
      : frame_bytes_(frame_bytes), buffer_(2 * frame_bytes) {}

  // Where the next bytes may be written, never empty after `next` has found nothing; and how many
  // were.
  MutableBytes room() { return buffer_.view().subspan(filled_); }
  void received(std::size_t bytes) { filled_ += bytes; }
  // The next frame whose magic and checksum are right, valid until the next call; empty when there
  // is none yet.
  Bytes next();
  // Bytes that were in no frame, so far.
  std::uint64_t skipped() const { return skipped_; }

 private:
  void drop(std::size_t bytes);

  const std::size_t frame_bytes_;
  SecretBytes buffer_;
  std::size_t filled_ = 0;
  std::size_t given_ = 0;  // of the frame that was given out: dropped by the next call
  std::uint64_t skipped_ = 0;
};

}  // namespace qanat::wire::vmport
