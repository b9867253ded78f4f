#include "sources/video/video.h"

#include <fmt/core.h>

#include "base/shown.h"
#include "crypto/aead.h"
#include "sources/type.h"
#include "sources/video/stream.h"
#include "sources/video/v4l2.h"
#include "spec/options.h"

namespace qanat::sources {

Video::Video(std::unique_ptr<video::Camera> camera, double h, bool remote)
    : camera_(std::move(camera)), remote_(remote), noise_(h, crypto::random_seed()) {}

Result<void> Video::open(const Waker& stop) {
  noise_.restart();
  return camera_->open(stop);
}

Result<std::size_t> Video::read(MutableBytes out, const Waker& waker) {
  for (;;) {
    if (const std::size_t taken = noise_.take(out); taken > 0) return taken;
    const auto picture = camera_->next(waker);
    if (!picture) return tl::unexpected(picture.error());
    if (!*picture) return std::size_t{0};
    const auto added = noise_.add(**picture, Clock().now());
    {
      const MutexLock lock(mutex_);
      seen_ = noise_.report();
    }
    if (!added) return tl::unexpected(added.error());
  }
}

void Video::close() {
  camera_->close();
  noise_.restart();
}

std::map<std::string, double> Video::readings() const {
  const MutexLock lock(mutex_);
  if (seen_.pictures == 0) return {};
  return {{"brightness_of_255", seen_.brightness},
          {"change_of_255", seen_.change},
          {"unchanged_ratio", seen_.unchanged},
          {"width_pixels", static_cast<double>(seen_.width)},
          {"height_pixels", static_cast<double>(seen_.height)},
          {"pictures", static_cast<double>(seen_.pictures)},
          {"pictures_held_back", static_cast<double>(seen_.held_back)}};
}

Duration Video::longest_absence() const {
  return remote_ ? peer_absence : Source::longest_absence();
}

namespace {

constexpr const char* usual_camera = "/dev/video0";

// Other devices are links into that directory, too: /dev/v4l/by-id/...
bool is_device(const std::string& path) { return path.starts_with("/dev/"); }

SourcePlan read_video_url(const spec::Spec& spec, entropy::Claim usual) {
  auto url = video::parse_stream_url(spec.target);
  if (!url) throw Failure(url.error().message);
  const std::string ca = spec.option("ca").value_or("");
  if (!ca.empty() && url->scheme != "https") {
    throw Failure(fmt::format("{}: ca= belongs to https alone", spec.text));
  }
  usual.credit = usual.credit && url->safe();
  const entropy::Claim claim = spec::claim_of(spec, usual);
  return {.name = spec.text,
          .claim = claim,
          .note = url->safe() ? "" : std::string(unauthenticated),
          .make =
              [url = std::move(*url), ca, h = claim.h] {
                return std::make_unique<Video>(video::make_stream(url, ca), h, true);
              },
          .look =
              [ca](spec::Obstacles& found) {
                if (!ca.empty()) result_into(found, "ca", read_file(ca));
              }};
}

SourcePlan read_video(const spec::Spec& spec, entropy::Claim usual) {
  const std::string path = spec.target.empty() ? usual_camera : spec.target;
  const bool device = is_device(path);
  if (!video::is_url(path) && !path.starts_with('/') && path.find('@') != std::string::npos) {
    throw Failure(
        fmt::format("{}: neither a URL (rtsp://USER:PASSWORD@HOST/PATH) nor a path that "
                    "begins with '/'",
                    spec.text));
  }
  if (!device) spec::require(spec, video::ffmpeg());
  if (video::is_url(path)) return read_video_url(spec, usual);
  if (spec.option("ca")) throw Failure(fmt::format("{}: ca= belongs to https alone", spec.text));
  const entropy::Claim claim = spec::claim_of(spec, usual);
  return {.name = spec.text, .claim = claim, .path = path, .make = [path, device, h = claim.h] {
            return std::make_unique<Video>(
                device ? video::make_v4l2(path) : video::make_file_stream(path), h, false);
          }};
}

Availability available_video() {
  const auto cameras = video::cameras_of_this_machine();
  std::string why;
  for (const std::string& camera : cameras) why += (why.empty() ? "" : ", ") + camera;
  if (why.empty()) why = "no camera at /dev/video0 to 63 that this user may open";
  const auto streams = video::ffmpeg();
  why += streams ? "; give it a URL for one in the network"
                 : "; none in the network: " + streams.error().message;
  return {!cameras.empty() || streams, why};
}

}  // namespace

// A sensor in room light has a noise of 1 to 4 levels, 1.9 to 3.8 bits a sample; of what a camera
// leaves of one level in JPEG of low quality, 0.6 are left (docs/sources.md). Less, as nobody
// knows what a camera does to its pictures.
extern const SourceType video_type{
    .name = "video",
    .target = "[DEVICE|URL|FILE]",
    .usual = {0.5, true},
    .options = "ca",
    .summary = "noise of a camera: V4L2, or a stream that FFmpeg opens",
    .read = read_video,
    .available = available_video,
    .as_url = video::with_own_query,
};

}  // namespace qanat::sources
