#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <fmt/core.h>

#include <filesystem>
#include <fstream>

#include "net/listen.h"
#include "sources/device.h"
#include "sources/file.h"
#include "sources/registry.h"
#include "support/eventually.h"
#include "support/noise.h"

namespace qanat::sources {
namespace {

using test::eventually;
using namespace std::chrono_literals;

class SourcesTest : public testing::Test {
 protected:
  SourcesTest() {
    std::string pattern = testing::TempDir() + "/qanat-sources-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    dispenser_.on_demand([this] {
      for (auto* source : running_) source->wake();
    });
  }
  ~SourcesTest() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<RunningSource> start(const std::string& text) {
    auto source = make_source(
        text, {dispenser_, key_, provenance_, clock_,
               [this](const std::string& subject, const std::string& what, bool) {
                 const std::scoped_lock lock(mutex_);
                 events_.push_back(subject + ": " + what);
               },
               "", [](const std::string&, const FreshSeed&) { return false; }, false, &origins_});
    running_.push_back(source.get());
    source->start();
    return source;
  }
  static bool reaches(const RunningSource& source, const std::string& state) {
    return eventually([&] { return to_string(source.report().state) == state; });
  }
  std::string path(const char* name) const { return directory_ + "/" + name; }
  void write_file(const std::string& to, const test::Samples& samples) {
    std::ofstream(to, std::ios::binary)
        .write(reinterpret_cast<const char*>(samples.data()),
               static_cast<std::streamsize>(samples.size()));
  }

  std::string directory_;
  Clock clock_;
  share::Dispenser dispenser_{64 << 10, 1024};
  entropy::ConditioningKey key_{as_bytes("test")};
  entropy::Provenance provenance_;
  Origins origins_;
  std::vector<RunningSource*> running_;
  std::mutex mutex_;
  std::vector<std::string> events_;
};

TEST_F(SourcesTest, ACommandFillsTheReserveAndSleepsThen) {
  auto source = start("exec:cat /dev/urandom?h=8");
  EXPECT_TRUE(eventually([&] { return dispenser_.report().fill == dispenser_.report().target; }));
  EXPECT_EQ(source->report().state, entropy::SourceState::healthy);
  EXPECT_FALSE(dispenser_.demand());
  EXPECT_TRUE(dispenser_.report().total.balanced());
}

TEST_F(SourcesTest, AfterAResumeALostPeerIsLookedForAtOnce) {
  const UniqueFd listener = net::listen_tcp({"127.0.0.1", 0});
  auto source = start(fmt::format("egd://127.0.0.1:{}", net::local_port(listener.get())));
  const Waker never;
  // By itself it would look a tenth time after minutes.
  for (int times = 0; times < 10; ++times) {
    ASSERT_EQ(wait_for(listener.get(), POLLIN, never, 10s), Wake::ready) << times;
    UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)).reset();
    ASSERT_TRUE(reaches(*source, "gone"));
    source->retest();
  }
}

TEST_F(SourcesTest, ACommandThatEndsIsGoneAndStartedAgain) {
  auto source = start("exec:head -c 3000 /dev/urandom?h=4");
  EXPECT_TRUE(reaches(*source, "gone"));
  EXPECT_NE(source->report().detail.find("status 0"), std::string::npos) << source->report().detail;
  const auto bytes = source->report().bytes;
  EXPECT_TRUE(eventually([&] { return source->report().bytes > bytes; }));
}

TEST_F(SourcesTest, ACommandThatIgnoresSigtermIsKilled) {
  auto source = start("exec:trap '' TERM; while :; do head -c 512 /dev/urandom; sleep 1; done");
  EXPECT_TRUE(eventually([&] { return source->report().bytes > 0; }));
  source->request_stop();
  EXPECT_TRUE(source->join(20s));
}

TEST_F(SourcesTest, AnAbsentDeviceIsGoneAndFoundWhenItComes) {
  auto source = start("file:" + path("fifo"));
  EXPECT_TRUE(reaches(*source, "gone"));
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  std::thread writer([&] { write_file(path("fifo"), test::uniform(4096, 1)); });
  EXPECT_TRUE(eventually([&] { return dispenser_.report().total.credited > 0; }));
  writer.join();
  // Its writer has left: gone again, and back with the next.
  EXPECT_TRUE(reaches(*source, "gone"));
  const auto credited = dispenser_.report().total.credited;
  std::thread again([&] { write_file(path("fifo"), test::uniform(4096, 2)); });
  EXPECT_TRUE(eventually([&] { return dispenser_.report().total.credited > credited; }));
  again.join();
}

TEST_F(SourcesTest, AFileIsReadOnceAndNeverFromItsStartAgain) {
  write_file(path("file"), test::uniform(4096, 1));
  auto source = start("file:" + path("file") + "?h=8");
  EXPECT_TRUE(reaches(*source, "gone"));
  EXPECT_EQ(source->report().bytes, 4096U);
  // It grows: only what is new is read.
  std::ofstream(path("file"), std::ios::app | std::ios::binary) << std::string(100, 'x');
  EXPECT_TRUE(eventually([&] { return source->report().bytes == 4196U; }));
}

TEST_F(SourcesTest, WhatARegularFileStillHoldsAtARenewalIsPassedOver) {
  write_file(path("file"), test::uniform(64 << 10, 1));
  File file(path("file"));
  const Waker waker;
  ASSERT_TRUE(file.open(waker));
  test::Samples out(4096);
  ASSERT_EQ(*file.read(out, waker), out.size());
  // A copy of this machine has the rest, too.
  EXPECT_TRUE(file.renew());
  EXPECT_FALSE(file.read(out, waker));
  EXPECT_FALSE(file.open(waker)) << "nor when it is opened again";
  std::ofstream(path("file"), std::ios::app | std::ios::binary) << std::string(100, 'x');
  ASSERT_TRUE(file.open(waker));
  EXPECT_EQ(*file.read(out, waker), 100U) << "what came after it is new";
}

TEST_F(SourcesTest, ASilentSourceHoldsUpNobody) {
  ASSERT_EQ(::mkfifo(path("silent").c_str(), 0600), 0);
  const UniqueFd writer(::open(path("silent").c_str(), O_RDWR | O_CLOEXEC));
  auto silent = start("file:" + path("silent"));
  auto lively = start("exec:cat /dev/urandom?h=8");
  EXPECT_TRUE(eventually([&] { return dispenser_.report().fill == dispenser_.report().target; }));
  EXPECT_EQ(silent->report().bytes, 0U);
  silent->request_stop();
  EXPECT_TRUE(silent->join(20s)) << "a stop interrupts the wait";
}

TEST_F(SourcesTest, AStuckCommandFailsWithAnAlarmAndCreditsNothing) {
  auto source = start("exec:cat /dev/zero");
  EXPECT_TRUE(reaches(*source, "failed"));
  EXPECT_EQ(dispenser_.report().total.credited, 0U);
  EXPECT_EQ(source->report().failures, 1U);
  const std::scoped_lock lock(mutex_);
  ASSERT_FALSE(events_.empty());
  EXPECT_NE(events_[0].find("failed: repetition count"), std::string::npos) << events_[0];
}

TEST_F(SourcesTest, ASerialLineIsSetRawAndSurvivesBeingPulled) {
  int controller = -1;
  int line = -1;
  std::array<char, 256> name{};
  ASSERT_EQ(::openpty(&controller, &line, name.data(), nullptr, nullptr), 0);
  UniqueFd plug(controller);
  UniqueFd(line).reset();
  auto source = start(std::string("device:") + name.data() + "?baud=115200&h=8");
  // Bytes of all values: a cooked line would eat or change some. More than the tests need; the line
  // holds back what is not read yet.
  const auto noise = test::uniform(64 << 10, 1);
  ::fcntl(plug.get(), F_SETFL, O_NONBLOCK);
  std::size_t sent = 0;
  const auto send_until = [&](const auto& condition) {
    return eventually([&] {
      const ssize_t n =
          ::write(plug.get(), noise.data() + sent, std::min<std::size_t>(256, noise.size() - sent));
      if (n > 0) sent += static_cast<std::size_t>(n);
      return condition();
    });
  };
  EXPECT_TRUE(send_until([&] { return dispenser_.report().total.credited > 0; }));
  EXPECT_EQ(source->report().state, entropy::SourceState::healthy);
  {
    const UniqueFd look(::open(name.data(), O_RDONLY | O_NOCTTY | O_CLOEXEC));
    termios settings{};
    ASSERT_EQ(::tcgetattr(look.get(), &settings), 0);
    EXPECT_EQ(::cfgetospeed(&settings), static_cast<speed_t>(B115200));
    EXPECT_EQ(settings.c_lflag & (ICANON | ECHO), 0U);
    EXPECT_EQ(settings.c_cflag & (CSIZE | PARENB | CSTOPB), static_cast<tcflag_t>(CS8));
  }
  plug.reset();
  EXPECT_TRUE(reaches(*source, "gone"));
}

TEST_F(SourcesTest, TheKernelsGeneratorCountsNothingByWhateverName) {
  ASSERT_EQ(::symlink("/dev/urandom", path("link").c_str()), 0);
  std::vector<std::unique_ptr<RunningSource>> sources;
  for (const std::string& name : {std::string("device:/dev/urandom"), "file:" + path("link"),
                                  std::string("device:/dev/random?h=8&credit=yes"),
                                  std::string("exec:dd if=/dev/urandom 2>/dev/null")}) {
    EXPECT_FALSE(describe_source(name).credit) << name;
    EXPECT_FALSE(describe_source(name).note.empty()) << name;
    sources.push_back(start(name));
    EXPECT_TRUE(reaches(*sources.back(), "healthy")) << name;
    EXPECT_FALSE(sources.back()->report().credit) << name;
  }
  EXPECT_NE(sources[0]->report().detail.find("the kernel's own generator"), std::string::npos);
  EXPECT_EQ(dispenser_.report().total.credited, 0U);
  const auto insisted = start("device:/dev/urandom?credit=insist");
  EXPECT_TRUE(eventually([&] { return dispenser_.report().total.credited > 0; }));
  EXPECT_TRUE(describe_source("exec:cat /dev/urandom?h=8").credit) << "that is a claim";
}

TEST_F(SourcesTest, AFileUnderTwoNamesCountsOnce) {
  write_file(path("a"), test::uniform(2560, 1));
  ASSERT_EQ(::link(path("a").c_str(), path("b").c_str()), 0);
  auto first = start("file:" + path("a"));
  ASSERT_TRUE(reaches(*first, "gone"));
  const auto credited = dispenser_.report().total.credited;
  EXPECT_GT(credited, 0U);
  const auto second = start("file:" + path("b"));
  ASSERT_TRUE(reaches(*second, "gone"));
  running_.clear();
  first.reset();
  const auto third = start("file:" + directory_ + "/./a");
  ASSERT_TRUE(reaches(*third, "gone"));
  EXPECT_EQ(dispenser_.report().total.credited, credited) << "nor once the first has ended";
  const std::scoped_lock lock(mutex_);
  EXPECT_TRUE(std::any_of(events_.begin(), events_.end(), [&](const std::string& event) {
    return event.find("it is the same as file:" + path("a")) != std::string::npos;
  }));
}

TEST_F(SourcesTest, ADeviceCountsForItsNextHolderOnceTheFirstHasEnded) {
  int master = -1;
  int slave = -1;
  ASSERT_EQ(::openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
  const UniqueFd device(master);
  const UniqueFd keep(slave);
  std::array<char, 64> name{};
  ASSERT_EQ(::ttyname_r(slave, name.data(), name.size()), 0);
  std::atomic<bool> stop{false};
  ::fcntl(master, F_SETFL, O_NONBLOCK);
  std::thread noise([&] {
    for (std::uint64_t seed = 0; !stop; ++seed) {
      const auto samples = test::uniform(512, seed);
      if (::write(master, samples.data(), samples.size()) < 0) std::this_thread::sleep_for(1ms);
    }
  });
  auto first = start(fmt::format("device:{}", name.data()));
  EXPECT_TRUE(eventually([&] { return first->report().bytes > 0; }));
  const auto second = start(fmt::format("device:{}?h=2", name.data()));
  EXPECT_TRUE(eventually([&] { return !second->report().credit; }));
  EXPECT_TRUE(eventually([&] { return dispenser_.report().fill == dispenser_.report().target; }));
  running_.erase(running_.begin());
  first.reset();
  dispenser_.renew();
  EXPECT_TRUE(eventually([&] { return second->report().credit; }));
  stop = true;
  noise.join();
}

TEST_F(SourcesTest, UncreditedSourcesAreMixedIn) {
  const auto before = key_.generation();
  auto source = start("kernel");
  EXPECT_TRUE(reaches(*source, "healthy"));
  EXPECT_TRUE(eventually([&] { return key_.generation() > before + 2; }));
  EXPECT_EQ(dispenser_.report().total.credited, 0U);
  EXPECT_FALSE(source->report().credit);
}

TEST_F(SourcesTest, ARetestGoesThroughStartUp) {
  auto source = start("exec:cat /dev/urandom?h=8");
  EXPECT_TRUE(reaches(*source, "healthy"));
  EXPECT_TRUE(eventually([&] { return dispenser_.report().fill == dispenser_.report().target; }));
  const auto bytes = source->report().bytes;
  source->retest();
  EXPECT_TRUE(eventually([&] { return source->report().bytes >= bytes + 1024; }))
      << "the tests run although nobody wants bytes";
  EXPECT_TRUE(reaches(*source, "healthy"));
}

TEST_F(SourcesTest, TheCpusJitterIsASource) {
  auto source = start("jitter");
  EXPECT_TRUE(eventually([&] { return dispenser_.report().total.credited > 0; }));
}

TEST(SourceRegistry, SaysWhatIsWrong) {
  const auto complaint = [](const std::string& text) -> std::string {
    try {
      (void)describe_source(text);
    } catch (const Failure& problem) {
      return problem.what();
    }
    return "";
  };
  EXPECT_NE(complaint("thermal").find("known are"), std::string::npos);
  EXPECT_NE(complaint("device").find("device:PATH"), std::string::npos);
  EXPECT_NE(complaint("device:/dev/x?baud=12345").find("baud=12345"), std::string::npos);
  EXPECT_NE(complaint("hwrng?h=9").find("0.03125 to 8"), std::string::npos);
  EXPECT_NE(complaint("hwrng?h=nan").find("min-entropy"), std::string::npos);
  EXPECT_NE(complaint("hwrng?colour=red").find("unknown option 'colour'"), std::string::npos);
  EXPECT_NE(complaint("jitter?credit=maybe").find("yes nor no"), std::string::npos);
  EXPECT_NE(complaint("qanat1.abc").find("damaged"), std::string::npos);
  EXPECT_NE(complaint("https://x?pin=12").find("64 hex"), std::string::npos);
  EXPECT_EQ(complaint("device:/dev/ttyUSB0?baud=115200&h=6.5"), "");
}

TEST(SourceRegistry, CreditIsTheDesigns) {
  EXPECT_FALSE(describe_source("rdrand").credit);
  EXPECT_FALSE(describe_source("kernel").credit);
  EXPECT_TRUE(describe_source("hwrng").credit);
  EXPECT_TRUE(describe_source("https://hub.example").credit);
  EXPECT_FALSE(describe_source("http://hub.example").credit) << "nobody vouches for plain http";
  EXPECT_TRUE(describe_source("http://hub.example?credit=yes").credit) << "but the operator may";
}

}  // namespace
}  // namespace qanat::sources
