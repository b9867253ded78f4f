// A serial line to a device with which only one program can talk.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/files.h"
#include "sources/runner/origins.h"

namespace qanat::sources {

// Not thread-safe.
class ExclusiveLine {
 public:
  ExclusiveLine() = default;
  ExclusiveLine(const ExclusiveLine&) = delete;
  ExclusiveLine& operator=(const ExclusiveLine&) = delete;
  ~ExclusiveLine() { close(); }

  // Raw, 8N1, not blocking. An Error, with a word about who, while another program has it open; of
  // those of other accounts only root sees that.
  Result<void> open(const std::string& path, unsigned baud);
  void close();
  int fd() const { return fd_.get(); }
  std::optional<Origin> origin() const { return origin_; }

  // As many bytes as there are, or as there is room for; 0: none now. An Error when it is lost.
  Result<std::size_t> read(MutableBytes out) const;
  Result<std::size_t> write(std::string_view text) const;

 private:
  UniqueFd fd_;
  std::string path_;
  std::optional<Origin> origin_;
};

}  // namespace qanat::sources
