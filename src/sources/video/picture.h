// What a camera gives: one picture after the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/error.h"
#include "base/waker.h"
#include "sources/runner/origins.h"

namespace qanat::sources::video {

// The brightness of a picture's pixels, 0 to 255. A view: whoever read it owns the memory.
struct Picture {
  const std::uint8_t* first = nullptr;  // top left
  std::size_t width = 0;
  std::size_t height = 0;
  std::ptrdiff_t row = 0;   // bytes from a pixel to the one below it; may be negative
  std::ptrdiff_t step = 1;  // and to its right neighbour

  std::uint8_t at(std::size_t x, std::size_t y) const {
    return first[static_cast<std::ptrdiff_t>(y) * row + static_cast<std::ptrdiff_t>(x) * step];
  }
};

// What is larger is no camera's: memory would be taken for what a stranger says.
inline constexpr std::size_t most_width = 4096;
inline constexpr std::size_t most_height = 4096;
// What is smaller has too few pixels that are apart.
inline constexpr std::size_t least_width = 32;
inline constexpr std::size_t least_height = 32;

// Used by one thread. As of sources/source.h: an Error of `open` or `next` means absent or lost.
class Camera {
 public:
  virtual ~Camera() = default;

  virtual Result<void> open(const Waker& stop) = 0;
  // Good until the next call; nullopt as soon as `waker` is woken. An Error, too, when none comes
  // for some seconds.
  virtual Result<std::optional<Picture>> next(const Waker& waker) = 0;
  virtual void close() = 0;
  virtual std::optional<Origin> origin() const { return std::nullopt; }
  // A file or a FIFO, which cannot be closed and opened again without a loss: it begins anew.
  virtual bool kept_open() const { return false; }
};

// An Error when a picture of that size is not read here. `name` is for people.
Result<void> check_size(const std::string& name, std::int64_t width, std::int64_t height);

}  // namespace qanat::sources::video
