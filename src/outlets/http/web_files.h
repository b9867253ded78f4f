// The dashboard's files, as `web/` makes them; they are part of the program.
#pragma once

#include <span>
#include <string_view>

namespace qanat::outlets {

struct WebFile {
  std::string_view path;      // "/" for the page itself, "/assets/NAME-HASH.js"
  std::string_view type;      // of its content
  std::string_view identity;  // as it is
  std::string_view gzip;      // the same, compressed
  bool immutable = false;     // its name changes with its content
};

// Empty where the program was built without them: without npm, or with QANAT_WEB=OFF.
std::span<const WebFile> web_files();

}  // namespace qanat::outlets
