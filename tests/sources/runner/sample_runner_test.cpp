#include "sources/runner/sample_runner.h"

#include <gtest/gtest.h>

#include <mutex>

#include "support/eventually.h"
#include "support/noise.h"

namespace qanat::sources {
namespace {

using test::eventually;
using namespace std::chrono_literals;

// Gives what the test lays down for it, and remembers how it was treated.
class FakeSource final : public Source {
 public:
  struct Shared {
    std::mutex mutex;
    test::Samples samples;  // to be read
    int opened = 0;
    int renewed = 0;
    int closed = 0;
    bool throws = false;
    std::string fault;  // found at the next read
    bool rests_closed = false;
    bool keeps_open = false;  // when it is renewed
  };
  explicit FakeSource(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}

  Result<void> open(const Waker&) override {
    const std::scoped_lock lock(shared_->mutex);
    ++shared_->opened;
    return {};
  }
  Result<std::size_t> read(MutableBytes out, const Waker& waker) override {
    for (;;) {
      {
        const std::scoped_lock lock(shared_->mutex);
        if (std::exchange(shared_->throws, false)) throw std::runtime_error("no memory");
        if (!shared_->fault.empty()) return fault(std::exchange(shared_->fault, ""));
        test::Samples& from = shared_->samples;
        const std::size_t n = std::min(out.size(), from.size());
        std::copy_n(from.begin(), n, out.begin());
        from.erase(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(n));
        if (n > 0) return n;
      }
      if (wait_for(-1, 0, waker, 1ms) == Wake::woken) return std::size_t{0};
    }
  }
  bool renew() override {
    const std::scoped_lock lock(shared_->mutex);
    ++shared_->renewed;
    if (shared_->keeps_open) shared_->samples.clear();
    return shared_->keeps_open;
  }
  void close() override {
    const std::scoped_lock lock(shared_->mutex);
    ++shared_->closed;
  }
  bool closed_at_rest() const override {
    const std::scoped_lock lock(shared_->mutex);
    return shared_->rests_closed;
  }
  std::map<std::string, double> readings() const override { return {{"temperature_kelvin", 300}}; }

 private:
  const std::shared_ptr<Shared> shared_;
};

class SampleRunnerTest : public testing::Test {
 protected:
  SampleRunnerTest() {
    dispenser_.on_demand([this] { runner_.wake(); });
    runner_.start();
  }
  ~SampleRunnerTest() override {
    runner_.request_stop();
    runner_.join(30s);
  }
  void give(std::size_t bytes) {
    const auto more = test::uniform(bytes, ++seed_);
    const std::scoped_lock lock(source_->mutex);
    source_->samples.insert(source_->samples.end(), more.begin(), more.end());
  }
  bool used_up() {
    return eventually([&] {
      const std::scoped_lock lock(source_->mutex);
      return source_->samples.empty();
    });
  }
  std::uint64_t credited() const { return dispenser_.report().total.credited; }
  // As the node does it.
  void renew() {
    dispenser_.renew();
    runner_.retest();
  }
  bool reaches(const std::string& state) {
    return eventually([&] { return to_string(runner_.report().state) == state; });
  }

  Clock clock_;
  share::Dispenser dispenser_{4096, 4096};
  entropy::ConditioningKey key_{as_bytes("test")};
  entropy::Provenance provenance_;
  std::shared_ptr<FakeSource::Shared> source_ = std::make_shared<FakeSource::Shared>();
  std::uint64_t seed_ = 0;
  std::mutex mutex_;
  std::vector<std::string> alarms_;
  SampleRunner runner_{"fake",
                       std::make_unique<FakeSource>(source_),
                       {8, true},
                       {.dispenser = dispenser_,
                        .key = key_,
                        .provenance = provenance_,
                        .clock = clock_,
                        .on_event =
                            [this](const std::string&, const std::string& text, EventKind kind) {
                              const std::scoped_lock lock(mutex_);
                              if (is_alarm(kind)) alarms_.push_back(text);
                            },
                        .cookie_directory = ""}};
};

TEST_F(SampleRunnerTest, AnExceptionIsAnAlarmAndTheSourceIsTriedAgain) {
  give(4 * entropy::window_samples);
  ASSERT_TRUE(reaches("healthy"));
  {
    const std::scoped_lock lock(source_->mutex);
    source_->throws = true;
  }
  ASSERT_TRUE(reaches("failed"));
  EXPECT_NE(runner_.report().detail.find("no memory"), std::string::npos);
  {
    const std::scoped_lock lock(mutex_);
    ASSERT_FALSE(alarms_.empty());
    EXPECT_NE(alarms_.back().find("failed: no memory"), std::string::npos);
  }
  give(4 * entropy::window_samples);
  EXPECT_TRUE(reaches("healthy"));
}

TEST_F(SampleRunnerTest, AfterARenewalItIsOpenedAnewAndTestedAnew) {
  give(3 * entropy::window_samples);
  ASSERT_TRUE(eventually([&] { return credited() > 0; }));
  ASSERT_TRUE(used_up());
  const std::uint64_t before = credited();
  renew();
  ASSERT_TRUE(eventually([&] {
    const std::scoped_lock lock(source_->mutex);
    return source_->opened == 2;
  }));
  give(2 * entropy::window_samples);
  ASSERT_TRUE(reaches("healthy"));
  EXPECT_EQ(credited(), before) << "the start-up tests' windows count nothing";
  give(entropy::window_samples);
  EXPECT_TRUE(eventually([&] { return credited() > before; }));
}

TEST_F(SampleRunnerTest, OneThatCanEmptyItsBuffersStaysOpen) {
  {
    const std::scoped_lock lock(source_->mutex);
    source_->keeps_open = true;
  }
  give(3 * entropy::window_samples);
  ASSERT_TRUE(eventually([&] { return credited() > 0; }));
  renew();
  EXPECT_TRUE(eventually([&] {
    const std::scoped_lock lock(source_->mutex);
    return source_->renewed == 1 && source_->opened == 1;
  }));
}

// It is there: no later look for it, but a retry with its alarm, as after a health test.
TEST_F(SampleRunnerTest, AFaultIsAFailureAndAnAlarm) {
  give(4 * entropy::window_samples);
  ASSERT_TRUE(reaches("healthy"));
  {
    const std::scoped_lock lock(source_->mutex);
    source_->fault = "the picture is frozen";
  }
  ASSERT_TRUE(reaches("failed"));
  EXPECT_EQ(runner_.report().failures, 1U);
  {
    const std::scoped_lock lock(mutex_);
    ASSERT_FALSE(alarms_.empty());
    EXPECT_NE(alarms_.back().find("failed: the picture is frozen; next try in"), std::string::npos)
        << alarms_.back();
  }
  give(4 * entropy::window_samples);
  EXPECT_TRUE(reaches("healthy"));
}

TEST_F(SampleRunnerTest, WhatTheHardwareTellsIsReported) {
  EXPECT_EQ(runner_.report().readings.at("temperature_kelvin"), 300);
}

TEST_F(SampleRunnerTest, OneThatIsClosedAtRestIsOpenOnlyWhileBytesAreWanted) {
  {
    const std::scoped_lock lock(source_->mutex);
    source_->rests_closed = true;
  }
  give(20 * entropy::window_samples);
  const auto opened_and_closed = [&] {
    const std::scoped_lock lock(source_->mutex);
    return std::pair(source_->opened, source_->closed);
  };
  ASSERT_TRUE(eventually([&] { return opened_and_closed() == std::pair(1, 1); }));
  // Woken with nothing to do, it stays closed.
  for (int i = 0; i < 3; ++i) runner_.wake();
  EXPECT_TRUE(eventually([&] { return opened_and_closed() == std::pair(1, 1); }));
}

}  // namespace
}  // namespace qanat::sources
