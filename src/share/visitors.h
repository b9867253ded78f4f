// Those who draw without a name: a share for each block of addresses.
#pragma once

#include <memory>
#include <unordered_map>
#include <utility>

#include "base/mutex.h"
#include "share/dispenser.h"

namespace qanat::share {

// With a guarantee in its terms an outlet's visitors are one, and have it together: there would be
// no saying whose it is. Without, each block that draws has a share of the outlet's weight.
// Thread-safe. Must not outlive the dispenser.
class Visitors {
 public:
  Visitors(Dispenser& dispenser, std::string name, const Terms& terms);

  const std::string& name() const { return name_; }

  // The share of a block; it lasts as long as somebody holds it.
  std::shared_ptr<Flow> of(std::uint64_t block);

  // One connection's place among those of its block and of the outlet; it leaves with this.
  class Place {
   public:
    Place() = default;
    Place(Place&& other) noexcept
        : visitors_(std::exchange(other.visitors_, nullptr)),
          block_(other.block_),
          named_(other.named_) {}
    Place& operator=(Place&& other) noexcept {
      std::swap(visitors_, other.visitors_);
      std::swap(block_, other.block_);
      std::swap(named_, other.named_);
      return *this;
    }
    ~Place() { leave(); }

    // It has a name now: it counts as its client's, no longer as its block's.
    void has_name();
    void leave();

   private:
    friend class Visitors;
    Place(Visitors* visitors, std::uint64_t block) : visitors_(visitors), block_(block) {}
    Visitors* visitors_ = nullptr;
    std::uint64_t block_ = 0;
    bool named_ = false;
  };

  // One more connection of a block, unless that has `most_of_block` or all have `most` already.
  enum class Entry { in, full, too_many_of_block };
  Entry come_in(std::uint64_t block, std::size_t most_of_block, std::size_t most, Place& place);
  // Without a name, of one block.
  std::size_t connections_of(std::uint64_t block);

 private:
  struct Block {
    std::weak_ptr<Flow> flow;
    std::size_t connections = 0;
  };
  Block& find_locked(std::uint64_t block) REQUIRES(mutex_);
  void leave_block(std::uint64_t block);
  void leave(std::uint64_t block, bool named);

  Dispenser& dispenser_;
  const std::string name_;
  const Terms terms_;
  const std::shared_ptr<Flow> together_;
  Mutex mutex_;
  std::unordered_map<std::uint64_t, Block> blocks_ GUARDED_BY(mutex_);
  std::size_t connections_ GUARDED_BY(mutex_) = 0;
  std::size_t swept_at_ GUARDED_BY(mutex_) = 0;  // entries left by the last sweep
};

}  // namespace qanat::share
