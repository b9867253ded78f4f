// Character devices: hardware RNGs, and serial lines with a TRNG behind them.
#pragma once

#include <optional>
#include <string>

#include "sources/device/device_models.h"
#include "sources/source.h"

namespace qanat::sources {

// A terminal line is set raw, 8N1, to `baud`, and what it had buffered is thrown away. Anything
// else is read as it is. A device of a `model` is told to begin as `mode` says, and to end.
class Device final : public Source {
 public:
  // `model` and `mode`: both or neither.
  Device(std::string path, std::optional<unsigned> baud, const DeviceModel* model = nullptr,
         const DeviceMode* mode = nullptr)
      : path_(std::move(path)), baud_(baud), model_(model), mode_(mode) {}
  ~Device() override { close(); }

  Result<void> open(const Waker& stop) override;
  Result<std::size_t> read(MutableBytes out, const Waker& waker) override;
  void close() override;
  int descriptor() const override { return fd_.get(); }
  std::optional<Origin> origin() const override { return origin_; }

 private:
  Result<void> set_up(const Waker& stop);
  Result<void> begin(const Waker& stop);
  bool is_told() const;

  const std::string path_;
  const std::optional<unsigned> baud_;
  const DeviceModel* const model_;
  const DeviceMode* const mode_;
  UniqueFd fd_;
  bool begun_ = false;  // it has been told to
  std::optional<Origin> origin_;
};

}  // namespace qanat::sources
