// A file or a FIFO as a noise source.
#pragma once

#include <sys/types.h>

#include <string>

#include "sources/source.h"

namespace qanat::sources {

// A FIFO is read as its writers fill it. A regular file is read once, from its start to its end and
// on as it grows: its bytes are never taken twice while the program runs. Another file of the same
// name is a new one.
class File final : public Source {
 public:
  explicit File(std::string path) : path_(std::move(path)) {}

  Result<void> open(const Waker&) override;
  Result<std::size_t> read(MutableBytes out, const Waker& waker) override;
  bool renew() override;
  void close() override { fd_.reset(); }
  int descriptor() const override { return is_fifo_ ? fd_.get() : -1; }
  std::optional<Origin> origin() const override { return origin_; }

 private:
  std::string path_;
  UniqueFd fd_;
  std::optional<Origin> origin_;
  bool is_fifo_ = false;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  off_t position_ = 0;
};

}  // namespace qanat::sources
