// Addresses of network cameras, as an operator writes them.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "spec/address.h"
#include "spec/spec.h"

namespace qanat::sources::video {

// Has a "://": the address of a stream, and no path.
bool is_url(std::string_view target);

// Options that are not ours are the URL's own query, and go back to it:
// "video:http://cam/v.cgi?channel=1&h=0.5". A '?' at its end says that all before it are the
// camera's: "http://cam/v.cgi?h=480?", "http://cam/v.cgi?h=480?h=0.5". Hides the secrets in `text`.
spec::Spec with_own_query(spec::Spec spec);

struct StreamUrl {
  std::string text;       // whole, with its secrets
  std::string shown;      // for people
  std::string scheme;     // "rtsp"
  spec::Address address;  // of the camera

  // Whom it may speak to, in FFmpeg's words ("http,tcp"): no file, and no other host's playlist.
  std::string protocols() const;
  // What it gives is what the camera sent, and nobody on the way knows it.
  bool safe() const;
};

// An Error for a scheme that is not read here, or without a host; it shows no secret.
Result<StreamUrl> parse_stream_url(const std::string& text);

// Without user and password, and with those values alone behind '=' whose names are known to be
// harmless: cameras take passwords in the query, and some in the path. Anything that is no URL
// stays as it is.
std::string without_secrets(std::string_view text);

// What FFmpeg or a camera says, as part of a log line: printable, short, without addresses, and
// nothing where a part of the URL's secrets is in it.
std::string cleaned_message(const StreamUrl& url, std::string_view message);

}  // namespace qanat::sources::video
