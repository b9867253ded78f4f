// The noise between the pictures of a camera, and whether they are a camera's at all.
#pragma once

#include <string>
#include <vector>

#include "sources/video/picture.h"
#include "sources/video/replay_memory.h"

namespace qanat::sources::video {

// What an operator may see of it.
struct PictureReport {
  std::size_t width = 0;
  std::size_t height = 0;
  double brightness = 0;        // mean, 0 to 255
  double change = 0;            // mean amount by which a pixel differs from the picture before
  double unchanged = 0;         // share of the pixels that do not, 0 to 1
  std::uint64_t pictures = 0;   // looked at
  std::uint64_t held_back = 0;  // of those, gave no samples
};

// Pictures in, raw samples out. A sample is the low 8 bits of what one pixel has become brighter
// since the picture before. Some 2,000 a picture are taken, on a grid that shifts with each: they
// are at least 8 pixels apart, as neighbours share a block of JPEG or a cell of the colour filter,
// and no pixel is taken twice in a row, as its noise in the picture between would be counted twice.
//
// Pure: time comes in as an argument. Not thread-safe. What it keeps of pictures is in secret
// memory.
class FrameNoise {
 public:
  // So many pictures in a row without good noise are a fault. A camera behind a slow network
  // repeats some, one in the dark looks for its exposure.
  static constexpr unsigned patience = 30;
  // After each opening: exposure and white balance are not settled.
  static constexpr unsigned settling_pictures = 5;

  // `h` is what is claimed of a sample, in bits; `seed` chooses the pixels.
  FrameNoise(double h, std::uint64_t seed);

  // The camera was opened (again): the next picture has none before it. What is remembered of
  // earlier ones stays.
  void restart();
  // A `fault` in an operator's words when the last `patience` of them were black, saturated,
  // frozen, without enough noise, or a recording; or an Error when it is too small or too large.
  Result<void> add(const Picture& picture, TimePoint now);
  // Moves what is ready into `out`; how many.
  std::size_t take(MutableBytes out);

  const PictureReport& report() const { return report_; }

 private:
  // A pixel of the grid, and how many there are.
  struct Grid {
    std::size_t spacing = 0;
    std::size_t columns = 0;
    std::size_t rows = 0;
    std::size_t size() const { return columns * rows; }
    static Grid over(std::size_t width, std::size_t height, std::size_t most, std::size_t apart);
    template <typename Visit>  // (x, y, index)
    void each(std::size_t shift, const Visit& visit) const;
  };
  struct Pair {
    std::size_t x;
    std::size_t y;
  };

  void fit(std::size_t width, std::size_t height);
  std::size_t shift_of(std::uint64_t picture) const;
  // Looks at the picture's fixed pixels; why it is none of a camera's, or empty.
  std::string look(const Picture& picture);
  Fingerprint fingerprint(const Picture& picture);
  void take_samples(const Picture& picture);
  Result<void> judge_batch();
  // `pictures` more gave nothing; a fault when there are `limit` in a row.
  Result<void> hold_back(const std::string& why, unsigned pictures, unsigned limit);

  const double h_;
  const std::uint64_t seed_;
  const SecretBytes key_;

  // Of one size of picture.
  Grid samples_;
  Grid looked_at_;
  std::vector<Pair> pairs_;
  unsigned cutoff_ = 0;
  std::size_t batch_ = 0;  // samples that are judged together

  SecretBytes before_;        // the looked-at pixels of the picture before
  SecretBytes pairs_before_;  // two each
  SecretBytes next_before_;   // the pixels of the grid as it lies on the next picture
  // Samples: from begin_ to judged_ they may be taken, and up to end_ their batch is not whole.
  SecretBytes ready_;
  std::size_t begin_ = 0;
  std::size_t judged_ = 0;
  std::size_t end_ = 0;

  bool have_before_ = false;
  unsigned settling_ = settling_pictures;
  unsigned bad_ = 0;  // in a row
  ReplayMemory memory_;
  PictureReport report_;
};

}  // namespace qanat::sources::video
