#include "sources/token/library_source.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <future>
#include <stdexcept>

#include "support/eventually.h"

namespace qanat::sources {
namespace {

using namespace std::chrono_literals;

// What a library does, as the test says.
struct Library {
  std::promise<void> release;  // of what hangs
  std::shared_future<void> released = release.get_future().share();
  std::atomic<bool> hangs_in_open{false};
  std::atomic<bool> hangs_in_read{false};
  std::atomic<bool> hangs_in_end{false};
  std::atomic<bool> throws{false};
  std::atomic<int> sessions{0};
  std::atomic<int> ended{0};
};

class FakeSession final : public LibrarySession {
 public:
  explicit FakeSession(std::shared_ptr<Library> library) : library_(std::move(library)) {}
  FakeSession(const FakeSession&) = delete;
  FakeSession& operator=(const FakeSession&) = delete;
  ~FakeSession() override {
    if (library_->hangs_in_end) library_->released.wait();
    ++library_->ended;
  }
  Result<void> open() override {
    ++library_->sessions;
    if (library_->hangs_in_open) library_->released.wait();
    return {};
  }
  Result<std::size_t> read(MutableBytes out) override {
    if (library_->throws) throw std::runtime_error("what a library throws");
    if (library_->hangs_in_read) library_->released.wait();
    std::fill(out.begin(), out.end(), std::uint8_t{7});
    return out.size();
  }

 private:
  const std::shared_ptr<Library> library_;
};

struct LibrarySourceTest : testing::Test {
  std::unique_ptr<LibrarySource> source(Duration patience) const {
    return std::make_unique<LibrarySource>(
        [library = library] { return std::make_unique<FakeSession>(library); },
        LibrarySource::Settings{.who = "the thing",
                                .piece = 64,
                                .open_patience = patience,
                                .patience = patience,
                                .closed_at_rest = false});
  }
  ~LibrarySourceTest() override {
    // What was left behind ends, too.
    if (!freed_) library->release.set_value();
    EXPECT_TRUE(test::eventually([&] { return library->ended == library->sessions; }));
  }
  void let_go() {
    library->hangs_in_open = library->hangs_in_read = library->hangs_in_end = false;
    library->release.set_value();
    freed_ = true;
  }

  const std::shared_ptr<Library> library = std::make_shared<Library>();
  const Waker waker;
  std::array<std::uint8_t, 512> out{};

 private:
  bool freed_ = false;
};

TEST_F(LibrarySourceTest, GivesAPieceAtATime) {
  const auto thing = source(30s);
  ASSERT_TRUE(thing->open(waker));
  EXPECT_EQ(thing->read(out, waker).value_or(999), 64U);
  EXPECT_EQ(thing->read(MutableBytes(out).first(5), waker).value_or(999), 5U);
  EXPECT_EQ(out[0], 7);
  thing->close();
  EXPECT_EQ(library->ended, 1);
  ASSERT_TRUE(thing->open(waker));
  EXPECT_EQ(library->sessions, 2);
}

TEST_F(LibrarySourceTest, OneThatHangsIsLostAndFoundAgainWhenItAnswers) {
  const auto thing = source(20ms);
  ASSERT_TRUE(thing->open(waker));
  library->hangs_in_read = true;
  const auto got = thing->read(out, waker);
  ASSERT_FALSE(got);
  EXPECT_FALSE(got.error().fault);
  EXPECT_NE(got.error().message.find("the thing has not answered for 20 ms"), std::string::npos)
      << got.error().message;
  thing->close();
  // Nobody piles up calls behind the one that hangs.
  const auto again = thing->open(waker);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().message, "the thing still does not answer");
  EXPECT_EQ(library->sessions, 1);
  let_go();
  EXPECT_TRUE(test::eventually([&] { return thing->open(waker).has_value(); }));
  EXPECT_EQ(library->sessions, 2);
  EXPECT_EQ(library->ended, 1);
}

TEST_F(LibrarySourceTest, AStopWaitsForNoCall) {
  library->hangs_in_open = true;
  auto thing = source(1h);
  waker.wake();
  EXPECT_TRUE(thing->open(waker).error().interrupted);
  thing.reset();
  library->hangs_in_open = false;
  library->hangs_in_read = true;
  auto second = source(1h);
  waker.clear();
  ASSERT_TRUE(second->open(waker));
  waker.wake();
  EXPECT_EQ(second->read(out, waker).value_or(999), 0U);
  second.reset();
  library->hangs_in_end = true;
  library->hangs_in_read = false;
  auto third = source(1h);
  waker.clear();
  ASSERT_TRUE(third->open(waker));
  third.reset();
}

TEST_F(LibrarySourceTest, WhatIsOnItsWayWhenSomebodyWakesIsFetchedLater) {
  const auto thing = source(1h);
  ASSERT_TRUE(thing->open(waker));
  library->hangs_in_read = true;
  waker.wake();
  EXPECT_EQ(thing->read(out, waker).value_or(999), 0U);
  EXPECT_EQ(thing->read(out, waker).value_or(999), 0U);
  waker.clear();
  let_go();
  EXPECT_EQ(thing->read(out, waker).value_or(999), 64U);
}

TEST_F(LibrarySourceTest, WhatALibraryThrowsIsAnError) {
  const auto thing = source(30s);
  ASSERT_TRUE(thing->open(waker));
  library->throws = true;
  EXPECT_EQ(thing->read(out, waker).error().message, "what a library throws");
}

}  // namespace
}  // namespace qanat::sources
