// Sources that misbehave, in the hands of their runner.
#include "sources/runner/sample_runner.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>

#include "sources/runner/skipping.h"
#include "support/eventually.h"

namespace qanat::sources {
namespace {

using test::eventually;
using namespace std::chrono_literals;

// Begins with zeros after each opening.
class Resetting final : public Source {
 public:
  struct Seen {
    std::atomic<int> opened{0};
  };
  Resetting(Seen& seen, std::size_t zeros) : seen_(seen), zeros_(zeros) {}

  Result<void> open(const Waker&) override {
    ++seen_.opened;
    left_ = zeros_;
    return {};
  }
  Result<std::size_t> read(MutableBytes out, const Waker&) override {
    for (auto& byte : out) {
      byte = left_ > 0 ? std::uint8_t{0} : static_cast<std::uint8_t>(random_());
      left_ -= left_ > 0 ? 1U : 0U;
    }
    return out.size();
  }

 private:
  Seen& seen_;
  const std::size_t zeros_;
  std::size_t left_ = 0;
  std::mt19937_64 random_{1};
};

class BadSourceTest : public testing::Test {
 protected:
  std::unique_ptr<SampleRunner> start(std::unique_ptr<Source> source) {
    auto runner = std::make_unique<SampleRunner>(
        "device", std::move(source), entropy::Claim{8, true},
        SourceServices{dispenser_, key_, provenance_, clock_,
                       [this](const std::string&, const std::string& what, EventKind) {
                         const std::scoped_lock lock(mutex_);
                         events_.push_back(what);
                       },
                       ""});
    dispenser_.on_demand([raw = runner.get()] { raw->wake(); });
    runner->start();
    return runner;
  }
  bool heard(const std::string& what) {
    return eventually([&] {
      const std::scoped_lock lock(mutex_);
      return std::any_of(events_.begin(), events_.end(), [&](const std::string& event) {
        return event.find(what) != std::string::npos;
      });
    });
  }

  Clock clock_;
  share::Dispenser dispenser_{4 << 10, 1024};
  entropy::ConditioningKey key_{as_bytes("test")};
  entropy::Provenance provenance_;
  std::mutex mutex_;
  std::vector<std::string> events_;
  Resetting::Seen seen_;
};

TEST_F(BadSourceTest, ADeviceThatBeginsWithZerosHasThemBehindItAtTheRetry) {
  const auto runner = start(std::make_unique<Resetting>(seen_, 256));
  EXPECT_TRUE(heard("failed: repetition count"));
  EXPECT_TRUE(eventually([&] { return dispenser_.report().total.credited > 0; }));
  EXPECT_EQ(seen_.opened, 1) << "each opening would bring new ones";
}

TEST_F(BadSourceTest, OneThatStaysStuckIsOpenedAgain) {
  const auto runner = start(std::make_unique<Resetting>(seen_, 1 << 20));
  EXPECT_TRUE(eventually([&] { return seen_.opened > 1; }));
}

TEST_F(BadSourceTest, WithSkipTheyAreNeverSeen) {
  const auto runner =
      start(std::make_unique<Skipping>(std::make_unique<Resetting>(seen_, 256), 256));
  EXPECT_TRUE(eventually([&] { return dispenser_.report().total.credited > 0; }));
  EXPECT_EQ(runner->report().alarms, 0U);
}

}  // namespace
}  // namespace qanat::sources
