// The noise between the pictures of a camera: of this machine, of the network, of a file.
#pragma once

#include <functional>

#include "base/mutex.h"
#include "sources/source.h"
#include "sources/video/frame_noise.h"

namespace qanat::sources {

// What it remembers of pictures outlives its closing: a recording that is opened again is known.
class Video final : public Source {
 public:
  // `remote`: looked for less often when it is away.
  Video(std::unique_ptr<video::Camera> camera, double h, bool remote);

  Result<void> open(const Waker& stop) override;
  Result<std::size_t> read(MutableBytes out, const Waker& waker) override;
  void close() override;
  std::optional<Origin> origin() const override { return camera_->origin(); }
  bool closed_at_rest() const override { return !camera_->kept_open(); }
  std::map<std::string, double> readings() const override;
  Duration longest_absence() const override;

 private:
  const std::unique_ptr<video::Camera> camera_;
  const bool remote_;
  video::FrameNoise noise_;
  mutable Mutex mutex_;
  video::PictureReport seen_ GUARDED_BY(mutex_);
};

}  // namespace qanat::sources
