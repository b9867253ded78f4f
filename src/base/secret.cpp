#include "base/secret.h"

#include <sodium.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <new>

#include "base/error.h"

#if defined(__SANITIZE_ADDRESS__)
#define QANAT_POISON
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define QANAT_POISON
#endif
#endif
#ifdef QANAT_POISON
#include <sanitizer/asan_interface.h>

#include <malloc.h>

#include <cstdlib>
#include <map>

#include "base/mutex.h"
#endif

namespace qanat {

namespace {

[[maybe_unused]] bool kept_from_children = false;

// Under the address sanitizer memory is the sanitizer's: it sees each byte beyond either end and
// whatever is used once freed, where guard pages see some of it, and needs no system calls. A block
// of a pool may be touched while it is leased, and the gap after it never: in one allocation, an
// overflow from one block into the next would not be seen.
#ifdef QANAT_POISON
// A multiple of 8, so that blocks stay aligned; an overflow may jump over less.
constexpr std::size_t gap_bytes = 256;

// The slabs, so that what is freed may be touched by whoever is given that memory next.
class Slabs {
 public:
  void add(std::uint8_t* slab, std::size_t size) {
    const MutexLock lock(mutex_);
    sizes_[slab] = size;
    __asan_poison_memory_region(slab, size);
  }
  void free(std::uint8_t* slab) {
    const MutexLock lock(mutex_);
    const auto found = sizes_.find(slab);
    if (found == sizes_.end()) return;
    __asan_unpoison_memory_region(slab, found->second);
    sizes_.erase(found);
  }

 private:
  Mutex mutex_;
  std::map<std::uint8_t*, std::size_t> sizes_ GUARDED_BY(mutex_);
};
Slabs& slabs() {
  static auto* const all = new Slabs;  // for as long as anything may be freed
  return *all;
}
void* allocate(std::size_t size) { return std::malloc(size); }
void release(void* memory) {
  // The sanitizer keeps what was freed for a while.
  sodium_memzero(memory, malloc_usable_size(memory));
  std::free(memory);
}
void begin_slab(MutableBytes slab) { slabs().add(slab.data(), slab.size()); }
void end_slab(std::uint8_t* slab) { slabs().free(slab); }
void permit(std::uint8_t* block, std::size_t size) { __asan_unpoison_memory_region(block, size); }
void forbid(std::uint8_t* block, std::size_t size) { __asan_poison_memory_region(block, size); }
#else
constexpr std::size_t gap_bytes = 0;
void* allocate(std::size_t size) {
  void* const memory = sodium_malloc(size);
  if (memory == nullptr || !kept_from_children) return memory;
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const std::uintptr_t into = reinterpret_cast<std::uintptr_t>(memory) % page;
  (void)::madvise(static_cast<char*>(memory) - into, (into + size + page - 1) / page * page,
                  MADV_WIPEONFORK);
  return memory;
}
void release(void* memory) { sodium_free(memory); }
void begin_slab(MutableBytes) {}
void end_slab(std::uint8_t*) {}
void permit(std::uint8_t*, std::size_t) {}
void forbid(std::uint8_t*, std::size_t) {}
#endif

}  // namespace

void keep_secrets_from_children() { kept_from_children = true; }

void initialise_secret_memory() {
  if (sodium_init() < 0) throw Failure("libsodium could not be initialised");
}

void wipe(MutableBytes bytes) noexcept { sodium_memzero(bytes.data(), bytes.size()); }

void SecretBytes::Free::operator()(std::uint8_t* p) const noexcept {
  end_slab(p);
  release(p);
}

SecretBytes::SecretBytes(std::size_t size) : size_(size) {
  if (size == 0) return;
  data_.reset(static_cast<std::uint8_t*>(allocate(size)));
  if (!data_) throw std::bad_alloc();
  wipe(view());
}

SecretBytes::SecretBytes(Bytes copy_of) : SecretBytes(copy_of.size()) {
  std::copy(copy_of.begin(), copy_of.end(), data_.get());
}

SecretPool::Slab::Slab(std::size_t block_size)
    : memory(blocks_per_slab * (block_size + gap_bytes)) {
  begin_slab(memory.view());
  for (std::size_t i = 0; i < blocks_per_slab; ++i) {
    free.push_back(memory.view().data() + i * (block_size + gap_bytes));
  }
}

SecretPool::Lease SecretPool::lease() {
  if (with_room_.empty()) {
    // Room for the pointers first: a lease that ends must not need memory.
    with_room_.reserve(slabs_.size() + 1);
    with_room_.push_back(slabs_.emplace_back(std::make_unique<Slab>(block_size_)).get());
    ++unused_;
  }
  Slab* const slab = with_room_.back();
  if (slab->free.size() == blocks_per_slab) --unused_;
  std::uint8_t* const block = slab->free.back();
  slab->free.pop_back();
  if (slab->free.empty()) with_room_.pop_back();
  permit(block, block_size_);
  return {this, slab, block};
}

void SecretPool::give_back(Slab* slab, std::uint8_t* block) noexcept {
  forbid(block, block_size_);
  slab->free.push_back(block);
  if (slab->free.size() == 1) with_room_.push_back(slab);
  if (slab->free.size() < blocks_per_slab || ++unused_ == 1) return;
  --unused_;
  std::erase(with_room_, slab);
  std::erase_if(slabs_, [slab](const auto& owned) { return owned.get() == slab; });
}

SecretPool::Lease::~Lease() {
  if (pool_ != nullptr) pool_->give_back(slab_, block_);
}

MutableBytes SecretPool::Lease::view() const { return {block_, pool_->block_size_}; }

}  // namespace qanat
