// FFmpeg's libraries, with the hundred that they need: 140 MB, loaded for the first stream.
#pragma once

#include <string>

#include "base/library.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/log.h>
#include <libavutil/mem.h>
#include <libavutil/pixdesc.h>
}

namespace qanat::sources::video {

struct Libav : Libraries {
  // The first: its package brings the others.
  const Library avformat = load("avformat", LIBAVFORMAT_VERSION_MAJOR);
  const Library avcodec = load("avcodec", LIBAVCODEC_VERSION_MAJOR);
  const Library avutil = load("avutil", LIBAVUTIL_VERSION_MAJOR);

  QANAT_FUNCTION(avutil, av_dict_free);
  QANAT_FUNCTION(avutil, av_dict_set);
  QANAT_FUNCTION(avutil, av_frame_alloc);
  QANAT_FUNCTION(avutil, av_frame_free);
  QANAT_FUNCTION(avutil, av_free);
  QANAT_FUNCTION(avutil, av_freep);
  QANAT_FUNCTION(avutil, av_get_pix_fmt_name);
  QANAT_FUNCTION(avutil, av_log_set_callback);
  QANAT_FUNCTION(avutil, av_malloc);
  QANAT_FUNCTION(avutil, av_max_alloc);
  QANAT_FUNCTION(avutil, av_pix_fmt_desc_get);
  QANAT_FUNCTION(avutil, av_strerror);

  QANAT_FUNCTION(avcodec, av_packet_alloc);
  QANAT_FUNCTION(avcodec, av_packet_free);
  QANAT_FUNCTION(avcodec, av_packet_unref);
  QANAT_FUNCTION(avcodec, avcodec_alloc_context3);
  QANAT_FUNCTION(avcodec, avcodec_find_decoder);
  QANAT_FUNCTION(avcodec, avcodec_free_context);
  QANAT_FUNCTION(avcodec, avcodec_get_name);
  QANAT_FUNCTION(avcodec, avcodec_open2);
  QANAT_FUNCTION(avcodec, avcodec_parameters_to_context);
  QANAT_FUNCTION(avcodec, avcodec_receive_frame);
  QANAT_FUNCTION(avcodec, avcodec_send_packet);

  QANAT_FUNCTION(avformat, av_read_frame);
  QANAT_FUNCTION(avformat, avformat_alloc_context);
  QANAT_FUNCTION(avformat, avformat_close_input);
  QANAT_FUNCTION(avformat, avformat_free_context);
  QANAT_FUNCTION(avformat, avformat_open_input);
  QANAT_FUNCTION(avformat, avio_alloc_context);
  QANAT_FUNCTION(avformat, avio_context_free);
};

inline const Libav& libav() {
  static const Libav loaded;
  return loaded;
}

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
