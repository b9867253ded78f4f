#ifdef QANAT_FFMPEG

#include "sources/video/libav.h"

#include <dlfcn.h>
#include <fmt/core.h>

namespace qanat::sources::video {
namespace {

Libav loaded;

// They stay loaded: the libraries beneath them have threads and handlers of their own.
Result<void> load_all() {
  std::string missing;
  const auto open = [&](const char* name, int version) -> void* {
    const std::string file = fmt::format("lib{}.so.{}", name, version);
    void* const library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr && missing.empty()) {
      missing = fmt::format("FFmpeg's {} cannot be loaded; install Debian's lib{}{}", file, name,
                            version);
    }
    return library;
  };
  void* const avutil = open("avutil", LIBAVUTIL_VERSION_MAJOR);
  void* const avcodec = open("avcodec", LIBAVCODEC_VERSION_MAJOR);
  void* const avformat = open("avformat", LIBAVFORMAT_VERSION_MAJOR);
  if (!missing.empty()) return error(missing);
#define LOAD(LIBRARY, NAME)                                                   \
  loaded.NAME = reinterpret_cast<decltype(&::NAME)>(::dlsym(LIBRARY, #NAME)); \
  if (loaded.NAME == nullptr) return error("FFmpeg's lib" #LIBRARY " has no " #NAME);
  QANAT_LIBAV(LOAD)
#undef LOAD
  return {};
}

}  // namespace

const Result<void>& load_libav() {
  static const Result<void> result = load_all();
  return result;
}

const Libav& libav() { return loaded; }

}  // namespace qanat::sources::video

#endif
