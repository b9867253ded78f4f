#include "share/supply_meter.h"

#include <algorithm>

namespace qanat::share {

void SupplyMeter::drop_window(TimePoint now) {
  opened_ = now;
  last_ = now;
  bytes_ = 0;
  for (Source& source : sources_) source.bytes = 0;
}

void SupplyMeter::tick(TimePoint now) {
  if (!wanted_) return;
  if (now < last_ || now - last_ > longest_gap) return drop_window(now);
  last_ = now;
  const Duration open = now - opened_;
  if ((open >= shortest_window && bytes_ >= window_bytes) || open >= longest_window) close_window();
}

void SupplyMeter::demand(bool wanted, TimePoint now) {
  tick(now);
  if (wanted == wanted_) return;
  // A short time of demand in which much came is as good as a second.
  if (!wanted && bytes_ >= window_bytes) {
    last_ = now;
    close_window();
  }
  wanted_ = wanted;
  drop_window(now);
}

void SupplyMeter::credit(entropy::SourceId id, std::size_t bytes, TimePoint now) {
  if (id >= sources_.size()) sources_.resize(id + 1);
  Source& source = sources_[id];
  source.gave = true;
  source.lost = false;
  if (wanted_) {
    source.bytes += bytes;
    bytes_ += bytes;
  }
  tick(now);
}

void SupplyMeter::close_window() {
  const std::size_t at = closed_ % windows;
  lengths_[at] = last_ - opened_;
  for (Source& source : sources_) source.before[at] = source.bytes;
  ++closed_;
  drop_window(last_);
}

void SupplyMeter::lost(entropy::SourceId id) {
  if (id >= sources_.size()) return;
  Source& source = sources_[id];
  source.lost = true;
  source.before.fill(0);
  bytes_ -= source.bytes;
  source.bytes = 0;
}

bool SupplyMeter::all_lost() const {
  bool any = false;
  for (const Source& source : sources_) {
    any = any || source.gave;
    if (source.gave && !source.lost) return false;
  }
  return any;
}

double SupplyMeter::ranked(TimePoint now, std::size_t rank, Duration shortest) const {
  if (closed_ == 0) return 0;
  const std::size_t filled = std::min<std::size_t>(closed_, windows);
  std::array<double, windows> rates{};
  for (std::size_t i = 0; i < filled; ++i) {
    std::size_t bytes = 0;
    for (const Source& source : sources_) bytes += source.before[i];
    rates[i] = static_cast<double>(bytes) / seconds(std::max(lengths_[i], shortest));
  }
  std::sort(rates.begin(), rates.begin() + static_cast<std::ptrdiff_t>(filled));
  double rate = rates[std::min(rank, filled - 1)];
  // With few windows the second lowest may be the highest: the lowest then.
  if (filled <= 2) rate = rates[0];
  if (wanted_ && now - opened_ > shortest_window && now >= last_ && now - last_ <= longest_gap) {
    // At a higher rate the open window would have been closed.
    rate = std::min(rate,
                    static_cast<double>(std::max(bytes_, window_bytes)) / seconds(now - opened_));
  }
  return rate;
}

}  // namespace qanat::share
