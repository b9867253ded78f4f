// Character devices: hardware RNGs, and serial lines with a TRNG behind them.
#pragma once

#include <optional>
#include <string>

#include "sources/source.h"

namespace qanat::sources {

// A terminal line is set raw, 8N1, to `baud`, and what it had buffered is thrown away. Anything
// else is read as it is.
class Device final : public Source {
 public:
  Device(std::string path, std::optional<unsigned> baud) : path_(std::move(path)), baud_(baud) {}

  Result<void> open(const Waker&) override;
  Result<std::size_t> read(MutableBytes out, const Waker& waker) override;
  void close() override { fd_.reset(); }
  int descriptor() const override { return fd_.get(); }
  std::optional<Origin> origin() const override { return origin_; }

 private:
  Result<void> set_up_line();

  std::string path_;
  std::optional<unsigned> baud_;
  UniqueFd fd_;
  std::optional<Origin> origin_;
};

// Whether a serial line can be set to this speed.
bool known_baud(unsigned baud);

}  // namespace qanat::sources
