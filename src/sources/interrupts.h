// What happens on this machine: its counters of interrupts, disks and networks, sampled.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "sources/source.h"

namespace qanat::sources {

// The numbers in a text of the kernel's (/proc/interrupts and the like), in their order: every run
// of digits that begins a word, modulo 2^64. Total.
std::vector<std::uint64_t> numbers_in(std::string_view text);

// Looks ten times a second. A sample is the low byte of what a counter has grown by since the last
// look, of each that has changed, and then the low byte of the time of the look, in steps of the
// cycle counter. Others on this machine can read the same counters, and those on its network can
// move them: mixed in, credited 0.
class Interrupts final : public Source {
 public:
  // Files that are not there (a container's) are left out, as long as there is one.
  explicit Interrupts(std::vector<std::string> paths) : paths_(std::move(paths)) {}

  Result<void> open(const Waker&) override;
  Result<std::size_t> read(MutableBytes out, const Waker& waker) override;
  void close() override;
  bool closed_at_rest() const override { return true; }

 private:
  Result<void> look();

  struct Counters {
    std::string path;
    std::vector<std::uint64_t> numbers;
  };
  const std::vector<std::string> paths_;
  std::vector<Counters> known_;
  std::vector<std::uint8_t> samples_;  // of the last look, not read yet
  std::optional<TimePoint> looked_;
};

}  // namespace qanat::sources
