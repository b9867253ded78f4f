// FFmpeg's libraries, loaded when the first stream is opened. Linked, they and the hundred that
// they need would be loaded at each start of the program, by those who have no camera, too: 140 MB
// of libraries, of which a guest's first boot or a `feed` of 25 ms has no use.
#pragma once

#include <string>

#include "base/error.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/log.h>
#include <libavutil/mem.h>
#include <libavutil/pixdesc.h>
}

namespace qanat::sources::video {

// Of which library, and what of it.
#define QANAT_LIBAV(FUNCTION)                      \
  FUNCTION(avutil, av_dict_free)                   \
  FUNCTION(avutil, av_dict_set)                    \
  FUNCTION(avutil, av_frame_alloc)                 \
  FUNCTION(avutil, av_frame_free)                  \
  FUNCTION(avutil, av_free)                        \
  FUNCTION(avutil, av_freep)                       \
  FUNCTION(avutil, av_get_pix_fmt_name)            \
  FUNCTION(avutil, av_log_set_callback)            \
  FUNCTION(avutil, av_malloc)                      \
  FUNCTION(avutil, av_max_alloc)                   \
  FUNCTION(avutil, av_pix_fmt_desc_get)            \
  FUNCTION(avutil, av_strerror)                    \
  FUNCTION(avcodec, av_packet_alloc)               \
  FUNCTION(avcodec, av_packet_free)                \
  FUNCTION(avcodec, av_packet_unref)               \
  FUNCTION(avcodec, avcodec_alloc_context3)        \
  FUNCTION(avcodec, avcodec_find_decoder)          \
  FUNCTION(avcodec, avcodec_free_context)          \
  FUNCTION(avcodec, avcodec_get_name)              \
  FUNCTION(avcodec, avcodec_open2)                 \
  FUNCTION(avcodec, avcodec_parameters_to_context) \
  FUNCTION(avcodec, avcodec_receive_frame)         \
  FUNCTION(avcodec, avcodec_send_packet)           \
  FUNCTION(avformat, av_read_frame)                \
  FUNCTION(avformat, avformat_alloc_context)       \
  FUNCTION(avformat, avformat_close_input)         \
  FUNCTION(avformat, avformat_free_context)        \
  FUNCTION(avformat, avformat_open_input)          \
  FUNCTION(avformat, avio_alloc_context)           \
  FUNCTION(avformat, avio_context_free)

struct Libav {
#define MEMBER(LIBRARY, NAME) decltype(&::NAME) NAME = nullptr;
  QANAT_LIBAV(MEMBER)
#undef MEMBER
};

// Loads them at the first call, in the versions that this program was built with; an Error that
// names the package when one is not there. Any thread.
const Result<void>& load_libav();
// After that has succeeded.
const Libav& libav();

// Owners of what the library makes.
struct FreeFormat {
  void operator()(AVFormatContext* format) const { libav().avformat_close_input(&format); }
};
struct FreeDecoder {
  void operator()(AVCodecContext* decoder) const { libav().avcodec_free_context(&decoder); }
};
struct FreePacket {
  void operator()(AVPacket* packet) const { libav().av_packet_free(&packet); }
};
struct FreeFrame {
  void operator()(AVFrame* frame) const { libav().av_frame_free(&frame); }
};
struct FreeReader {
  void operator()(AVIOContext* reader) const {
    libav().av_freep(&reader->buffer);
    libav().avio_context_free(&reader);
  }
};

// Options of what is opened.
class LibavOptions {
 public:
  LibavOptions() = default;
  LibavOptions(const LibavOptions&) = delete;
  LibavOptions& operator=(const LibavOptions&) = delete;
  ~LibavOptions() { libav().av_dict_free(&list_); }
  void set(const char* key, const std::string& value) {
    libav().av_dict_set(&list_, key, value.c_str(), 0);
  }
  AVDictionary** list() { return &list_; }

 private:
  AVDictionary* list_ = nullptr;
};

}  // namespace qanat::sources::video
