// Pictures out of any stream that FFmpeg's libraries open: a network camera's, a file's, a FIFO's.
#pragma once

#include <memory>
#include <string>

#include "sources/video/picture.h"
#include "sources/video/stream_url.h"

namespace qanat::sources::video {

// Whether FFmpeg was built in, and its libraries are on this machine; an Error says which is
// missing: then there are cameras of V4L2 alone. Loads them.
Result<void> ffmpeg();

// Null where it was not built in. `ca`: of https, the certificates to trust; empty: this
// machine's.
std::unique_ptr<Camera> make_stream(const StreamUrl& url, const std::string& ca);
// Of a file or FIFO.
std::unique_ptr<Camera> make_file_stream(const std::string& path);

}  // namespace qanat::sources::video
