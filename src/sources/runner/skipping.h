// A source whose first bytes after each opening are thrown away: skip=.
#pragma once

#include <algorithm>
#include <functional>

#include "sources/source.h"
#include "spec/spec.h"

namespace qanat::sources {

// Of devices that begin with zeros, or with what they had before, after a reset.
class Skipping final : public Source {
 public:
  static constexpr std::size_t most_bytes = 1 << 20;

  Skipping(std::unique_ptr<Source> source, std::size_t bytes)
      : source_(std::move(source)), bytes_(bytes) {}

  Result<void> open(const Waker& stop) override {
    left_ = bytes_;
    return source_->open(stop);
  }
  Result<std::size_t> read(MutableBytes out, const Waker& waker) override {
    while (left_ > 0) {
      auto skipped = source_->read(out.first(std::min(out.size(), left_)), waker);
      if (!skipped || *skipped == 0) return skipped;
      left_ -= *skipped;
    }
    return source_->read(out, waker);
  }
  void expect(TimePoint by) override { source_->expect(by); }
  void close() override { source_->close(); }
  int descriptor() const override { return source_->descriptor(); }
  std::optional<Origin> origin() const override { return source_->origin(); }
  std::string lookalike() override { return source_->lookalike(); }
  Duration longest_absence() const override { return source_->longest_absence(); }
  bool closed_at_rest() const override { return source_->closed_at_rest(); }
  std::map<std::string, double> readings() const override { return source_->readings(); }

 private:
  const std::unique_ptr<Source> source_;
  const std::size_t bytes_;
  std::size_t left_ = 0;
};

// What `make` makes, with skip= of its name, or `usual` bytes: throws Failure for a value that is
// wrong.
std::function<std::unique_ptr<Source>()> skipping(const spec::Spec& spec,
                                                  std::function<std::unique_ptr<Source>()> make,
                                                  std::size_t usual = 0);

}  // namespace qanat::sources
