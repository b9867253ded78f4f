// Tells the other programs of this machine that it was renewed: a counter that they can map.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace qanat::machine {

// The file's first eight bytes are the counter, a native 64-bit integer that begins at 1; the rest
// of its page is 0. The file is never replaced, so that a mapping of it stays true, over restarts
// too. It need not be there: without a place that can be written, nothing is told. Thread-safe.
class Generation {
 public:
  // Empty: none. Makes the last missing directory.
  explicit Generation(const std::string& path);
  Generation(const Generation&) = delete;
  Generation& operator=(const Generation&) = delete;
  ~Generation();

  // After the kernel was reseeded and before anything else: who sees the new number and asks the
  // kernel has bytes that no copy has.
  std::uint64_t advance();
  // 0 when there is no file.
  std::uint64_t value() const;

  static constexpr std::size_t file_bytes = 4096;
  // Where client programs look (include/qanat/qanat.h).
  static std::string usual_path();

 private:
  std::uint64_t* counter_ = nullptr;  // mapped
};

}  // namespace qanat::machine
