#include "sources/interrupts.h"

#include <algorithm>
#include <array>

#include "base/cycle_counter.h"
#include "base/files.h"
#include "sources/type.h"
#include "spec/options.h"

namespace qanat::sources {

using namespace std::chrono_literals;

namespace {

// A look costs up to some milliseconds, where there are hundreds of processors.
constexpr Duration look_interval = 100ms;
constexpr std::size_t most_text = 4 << 20;

constexpr std::array paths{"/proc/interrupts", "/proc/softirqs", "/proc/diskstats",
                           "/proc/net/dev"};

}  // namespace

std::vector<std::uint64_t> numbers_in(std::string_view text) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  std::vector<std::uint64_t> numbers;
  bool word = false;
  for (std::size_t at = 0; at < text.size();) {
    if (!digit(text[at]) || word) {
      word = text[at] != ' ' && text[at] != '\n' && text[at] != ':';
      ++at;
      continue;
    }
    std::uint64_t number = 0;
    for (; at < text.size() && digit(text[at]); ++at) {
      number = number * 10 + static_cast<std::uint64_t>(text[at] - '0');
    }
    numbers.push_back(number);
    word = true;
  }
  return numbers;
}

Result<void> Interrupts::open(const Waker& /*stop*/) {
  known_.clear();
  std::string why;
  for (const std::string& path : paths_) {
    const auto text = read_file(path, most_text);
    if (text) {
      known_.push_back({path, numbers_in(*text)});
    } else {
      why = text.error().message;
    }
  }
  if (known_.empty()) return error(why);
  looked_.reset();
  return {};
}

void Interrupts::close() {
  known_.clear();
  wipe(samples_);
  samples_.clear();
}

Result<void> Interrupts::look() {
  for (Counters& known : known_) {
    const auto text = read_file(known.path, most_text);
    if (!text) return tl::unexpected(text.error());
    std::vector<std::uint64_t> now = numbers_in(*text);
    // Lines may come and go; then all that follows is another's, once.
    for (std::size_t i = 0; i < std::min(now.size(), known.numbers.size()); ++i) {
      const std::uint64_t grown = now[i] - known.numbers[i];
      if (grown != 0) samples_.push_back(static_cast<std::uint8_t>(grown));
    }
    known.numbers = std::move(now);
  }
  samples_.push_back(static_cast<std::uint8_t>(ticks()));
  return {};
}

Result<std::size_t> Interrupts::read(MutableBytes out, const Waker& waker) {
  if (samples_.empty()) {
    const TimePoint now = Clock().now();
    if (looked_) {
      const Duration left = std::max(*looked_ + look_interval - now, Duration::zero());
      if (wait_for(-1, 0, waker, left) == Wake::woken) return std::size_t{0};
    }
    looked_ = Clock().now();
    if (auto seen = look(); !seen) return tl::unexpected(seen.error());
  }
  const std::size_t n = std::min(out.size(), samples_.size());
  std::copy_n(samples_.begin(), n, out.begin());
  samples_.erase(samples_.begin(), samples_.begin() + static_cast<std::ptrdiff_t>(n));
  return n;
}

namespace {

SourcePlan read_interrupts(const spec::Spec& spec, entropy::Claim usual) {
  return {
      .name = spec.text,
      .claim = spec::claim_of(spec, usual),
      .note = spec.option("credit") == "yes"
                  ? "whoever is on this machine can read these counters, and whoever is on its "
                    "network can move them"
                  : "",
      .make = [] {
        return std::make_unique<Interrupts>(std::vector<std::string>(paths.begin(), paths.end()));
      }};
}

}  // namespace

// Small numbers, many of them alike: the tests are set so that a quiet machine passes them.
extern const SourceType interrupts_type{
    .name = "interrupts",
    .usual = {0.1, false},
    .summary = "counters of interrupts, disks and networks; mixed in, credited 0",
    .read = read_interrupts,
    .available = [] { return by_path(paths.front()); },
};

}  // namespace qanat::sources
