// Memory for what must stay secret: full-entropy bytes, DRBG state, keys.
//
// Backed by libsodium's sodium_malloc: between guard pages, locked where RLIMIT_MEMLOCK allows,
// left out of core dumps, wiped when freed. An allocation costs whole pages and several system
// calls: allocate at start, or lease a block from a SecretPool on a hot path.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace qanat {

// Must be called once before any other function of base or crypto; throws Failure.
void initialise_secret_memory();
// From now on what is allocated is zeros in a child that is no other program: in the monitor. Once,
// before there are threads.
void keep_secrets_from_children();

void wipe(MutableBytes bytes) noexcept;

// Owns `size` bytes of secret memory, zeroed at first. Movable, not copyable.
class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(std::size_t size);
  explicit SecretBytes(Bytes copy_of);
  // What was moved from is empty.
  SecretBytes(SecretBytes&& other) noexcept
      : data_(std::move(other.data_)), size_(std::exchange(other.size_, 0)) {}
  SecretBytes& operator=(SecretBytes&& other) noexcept {
    data_ = std::move(other.data_);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  MutableBytes view() { return {data_.get(), size_}; }
  Bytes view() const { return {data_.get(), size_}; }

 private:
  struct Free {
    void operator()(std::uint8_t* p) const noexcept;
  };
  std::unique_ptr<std::uint8_t, Free> data_;
  std::size_t size_ = 0;
};

// A short-lived buffer on the stack, wiped at the end of its scope: for values that pass through a
// function, never for values that are kept.
template <std::size_t N>
class WipedArray {
 public:
  WipedArray() = default;
  WipedArray(const WipedArray&) = delete;
  WipedArray& operator=(const WipedArray&) = delete;
  ~WipedArray() { wipe(bytes_); }

  static constexpr std::size_t size() { return N; }
  std::uint8_t* data() { return bytes_.data(); }
  MutableBytes view() { return bytes_; }
  Bytes view() const { return bytes_; }

 private:
  std::array<std::uint8_t, N> bytes_{};
};

// Blocks of one size out of secret memory, for a hot path of one thread: a lease costs a few
// nanoseconds. Grows by slabs of 16 blocks, and gives back those that are free but for one: what a
// burst of connections took is not locked for ever. Not thread-safe.
class SecretPool {
  struct Slab;

 public:
  class Lease {
   public:
    Lease() = default;
    Lease(Lease&& other) noexcept
        : pool_(std::exchange(other.pool_, nullptr)), slab_(other.slab_), block_(other.block_) {}
    Lease& operator=(Lease&& other) noexcept {
      std::swap(pool_, other.pool_);
      std::swap(slab_, other.slab_);
      std::swap(block_, other.block_);
      return *this;
    }
    ~Lease();
    MutableBytes view() const;

   private:
    friend class SecretPool;
    Lease(SecretPool* pool, Slab* slab, std::uint8_t* block)
        : pool_(pool), slab_(slab), block_(block) {}
    SecretPool* pool_ = nullptr;
    Slab* slab_ = nullptr;
    std::uint8_t* block_ = nullptr;
  };

  explicit SecretPool(std::size_t block_size) : block_size_(block_size) {}
  // The caller wipes what it wrote (it knows how much that was) before the lease ends; the pool
  // does not, as wiping 16 KiB would cost more than a small request.
  Lease lease();
  std::size_t block_size() const { return block_size_; }

  // What it holds now, leased or not.
  std::size_t bytes() const { return slabs_.size() * blocks_per_slab * block_size_; }

 private:
  static constexpr std::size_t blocks_per_slab = 16;
  struct Slab {
    explicit Slab(std::size_t block_size);
    SecretBytes memory;
    std::vector<std::uint8_t*> free;
  };
  void give_back(Slab* slab, std::uint8_t* block) noexcept;

  std::size_t block_size_;
  std::vector<std::unique_ptr<Slab>> slabs_;
  std::vector<Slab*> with_room_;  // those with a free block; of its capacity for all
  std::size_t unused_ = 0;        // of them, without any lease
};

}  // namespace qanat
