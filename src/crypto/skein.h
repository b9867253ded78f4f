// Skein-256-256 of version 1.1, keyed and personalised, as the Simtec EntropyKey has it
// (docs/protocols/entropykey.md). For that device alone: the final Skein (1.3) has another constant
// and other rotations, and nothing else should use the old one.
#pragma once

#include <array>

#include "base/bytes.h"

namespace qanat::crypto {

// One message. Not thread-safe. Wiped at its end.
class Skein256 {
 public:
  static constexpr std::size_t output_bytes = 32;

  Skein256(Bytes key, std::string_view personalisation);
  Skein256(const Skein256&) = delete;
  Skein256& operator=(const Skein256&) = delete;
  ~Skein256();

  void update(Bytes part);
  // One of the two, once.
  void finish(std::span<std::uint8_t, output_bytes> out);
  // The MAC of this device: the state after the message, without Skein's output transform.
  void finish_without_output(std::span<std::uint8_t, output_bytes> out);

 private:
  static constexpr std::size_t block_bytes = 32;
  using Words = std::array<std::uint64_t, 4>;

  void begin(std::uint64_t type);
  void close();
  void process(Bytes block, std::size_t counted);

  Words chain_{};
  std::uint64_t position_ = 0;
  std::uint64_t flags_ = 0;
  // A block is processed when there is more behind it: the last one is marked.
  std::array<std::uint8_t, block_bytes> pending_{};
  std::size_t pending_bytes_ = 0;
};

}  // namespace qanat::crypto
