#include "base/secret.h"

#include <sodium.h>

#include <algorithm>
#include <new>

#include "base/error.h"

namespace qanat {

void initialise_secret_memory() {
  if (sodium_init() < 0) throw Failure("libsodium could not be initialised");
}

void wipe(MutableBytes bytes) noexcept { sodium_memzero(bytes.data(), bytes.size()); }

void SecretBytes::Free::operator()(std::uint8_t* p) const noexcept { sodium_free(p); }

SecretBytes::SecretBytes(std::size_t size) : size_(size) {
  if (size == 0) return;
  data_.reset(static_cast<std::uint8_t*>(sodium_malloc(size)));
  if (!data_) throw std::bad_alloc();
  wipe(view());
}

SecretBytes::SecretBytes(Bytes copy_of) : SecretBytes(copy_of.size()) {
  std::copy(copy_of.begin(), copy_of.end(), data_.get());
}

SecretPool::Lease SecretPool::lease() {
  if (free_.empty()) {
    SecretBytes& slab = slabs_.emplace_back(blocks_per_slab * block_size_);
    for (std::size_t i = 0; i < blocks_per_slab; ++i) {
      free_.push_back(slab.view().data() + i * block_size_);
    }
  }
  std::uint8_t* block = free_.back();
  free_.pop_back();
  return {this, block};
}

SecretPool::Lease::~Lease() {
  if (pool_ != nullptr) pool_->free_.push_back(block_);
}

MutableBytes SecretPool::Lease::view() const { return {block_, pool_->block_size_}; }

}  // namespace qanat
