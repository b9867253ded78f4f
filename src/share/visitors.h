// Those who draw without a name: a share for each block of addresses.
#pragma once

#include <memory>
#include <mutex>
#include <unordered_map>

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

  // One more connection of a block, unless that has `most_of_block` or all have `most` already.
  // Each that came in leaves once.
  enum class Entry { in, full, too_many_of_block };
  Entry come_in(std::uint64_t block, std::size_t most_of_block, std::size_t most);
  void leave(std::uint64_t block);

 private:
  struct Block {
    std::weak_ptr<Flow> flow;
    std::size_t connections = 0;
  };
  Block& find_locked(std::uint64_t block);

  Dispenser& dispenser_;
  const std::string name_;
  const Terms terms_;
  std::mutex mutex_;
  std::shared_ptr<Flow> together_;
  std::unordered_map<std::uint64_t, Block> blocks_;
  std::size_t connections_ = 0;
  std::size_t swept_at_ = 0;  // entries left by the last sweep
};

}  // namespace qanat::share
