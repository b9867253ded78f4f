#include "sources/vmport.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <mutex>

#include "net/listen.h"
#include "support/eventually.h"
#include "support/noise.h"

namespace qanat::sources {
namespace {

namespace vmport = wire::vmport;
using test::eventually;
using test::Samples;
using vmport::Kind;

class VmportSourceTest : public testing::Test {
 protected:
  ~VmportSourceTest() override { std::filesystem::remove_all(directory_); }

  SourceServices services(bool seeds = true) {
    return {.dispenser = dispenser_,
            .key = key_,
            .provenance = provenance_,
            .clock = clock_,
            .on_event = [](const std::string&, const std::string&, EventKind) {},
            .cookie_directory = {},
            .on_fresh_seed =
                [this](const std::string&, const FreshSeed& seed) {
                  dispenser_.renew();  // as a node does
                  const std::scoped_lock lock(mutex_);
                  fresh_.push_back({to_hex(seed.bytes), seed.credited});
                  return taken_.load();
                },
            .seeds = seeds};
  }
  struct Seen {
    std::string seed;
    std::size_t credited = 0;
  };
  std::vector<Seen> fresh() {
    const std::scoped_lock lock(mutex_);
    return fresh_;
  }
  entropy::Account total() const { return dispenser_.report().total; }

  std::unique_ptr<Vmport> source(bool credit = true, bool seeds = true) {
    auto made =
        std::make_unique<Vmport>(VmportSettings{"vmport", path(), {}, credit}, services(seeds));
    dispenser_.on_demand([port = made.get()] { port->wake(); });
    made->start();
    return made;
  }
  std::string path() const { return directory_ + "/port"; }
  UniqueFd accept() {
    EXPECT_EQ(wait_for(listener_.get(), POLLIN, waker_, std::chrono::seconds(30)), Wake::ready);
    return UniqueFd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  }
  static Samples frame(Kind kind, Bytes seed, bool full = true, std::uint32_t wait = 0) {
    Samples out(vmport::host_frame_bytes);
    encode(vmport::HostFrame{kind, full, 0, wait, seed}, out);
    return out;
  }
  static void say(const UniqueFd& fd, Bytes bytes) {
    ASSERT_EQ(::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  // The next question; nullopt when none comes.
  std::optional<vmport::GuestFrame> question(const UniqueFd& fd) {
    Samples in(vmport::guest_frame_bytes);
    if (wait_for(fd.get(), POLLIN, waker_, std::chrono::seconds(30)) != Wake::ready ||
        ::recv(fd.get(), in.data(), in.size(), MSG_WAITALL) != static_cast<ssize_t>(in.size())) {
      return std::nullopt;
    }
    return vmport::decode_guest(in);
  }
  share::Ticket want(std::size_t bytes) {
    return dispenser_.request(flow_.id(), bytes, clock_.now(), [] {});
  }

  static std::string make_directory() {
    std::string pattern = testing::TempDir() + "/qanat-host-XXXXXX";
    return ::mkdtemp(pattern.data());
  }

  const std::string directory_ = make_directory();
  share::Dispenser dispenser_{0, 4096};
  share::Flow flow_ = dispenser_.open_flow("test");
  entropy::ConditioningKey key_{Samples(64)};
  entropy::Provenance provenance_;
  Clock clock_;
  std::mutex mutex_;
  std::vector<Seen> fresh_;
  std::atomic<bool> taken_{true};
  UniqueFd listener_ = net::listen_unix(path(), 0600);
  Waker waker_;
};

TEST_F(VmportSourceTest, AFreshSeedIsHandedOnAtOnceAndCountsInFull) {
  const auto port = source();
  const UniqueFd host = accept();
  const Samples seed = test::uniform(64, 1);
  say(host, frame(Kind::fresh, seed));
  ASSERT_TRUE(eventually([&] { return fresh().size() == 1; }));
  EXPECT_EQ(fresh()[0].seed, to_hex(seed));
  EXPECT_EQ(fresh()[0].credited, 64U);
  EXPECT_TRUE(eventually([&] { return port->report().state == entropy::SourceState::healthy; }));
  EXPECT_EQ(total().credited, 0U) << "it went to the kernel, which has paid for it";
  say(host, frame(Kind::fresh, test::uniform(64, 2), false));
  ASSERT_TRUE(eventually([&] { return fresh().size() == 2; }));
  EXPECT_EQ(fresh()[1].credited, 32U) << "of a DRBG's output no more than its seed";
}

TEST_F(VmportSourceTest, WhereNoKernelTakesItTheSeedIsForWhoeverWaits) {
  taken_ = false;
  const auto port = source();
  const UniqueFd host = accept();
  const share::Ticket place = want(64);
  say(host, frame(Kind::fresh, test::uniform(64, 1)));
  EXPECT_TRUE(eventually([&] { return place.ready(); }));
  EXPECT_EQ(total().credited, 512U);
}

TEST_F(VmportSourceTest, ASeedThatComesTwiceCountsOnce) {
  const auto port = source();
  const UniqueFd host = accept();
  const Samples seed = test::uniform(64, 1);
  say(host, frame(Kind::fresh, seed));
  say(host, frame(Kind::fresh, seed));
  ASSERT_TRUE(eventually([&] { return fresh().size() == 2; }));
  EXPECT_EQ(fresh()[1].credited, 0U);
  EXPECT_EQ(port->report().state, entropy::SourceState::suspect);
  EXPECT_EQ(port->report().alarms, 1U);
  const share::Ticket place = want(64);
  ASSERT_TRUE(question(host));
  say(host, frame(Kind::answer, seed));
  ASSERT_TRUE(eventually([&] { return port->report().alarms == 2; }));
  EXPECT_FALSE(place.ready());
}

TEST_F(VmportSourceTest, AsksWhenBytesAreWantedAndTakesWhatComes) {
  const auto port = source();
  const UniqueFd host = accept();
  const share::Ticket place = want(128);
  const auto asked = question(host);
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->bytes, 64U);
  EXPECT_FALSE(asked->full_only) << "for this machine alone";
  say(host, frame(Kind::answer, test::uniform(64, 1)));
  ASSERT_TRUE(question(host)) << "the other half";
  say(host, frame(Kind::answer, test::uniform(64, 2)));
  EXPECT_TRUE(eventually([&] { return place.ready(); }));
  EXPECT_TRUE(total().balanced());
}

TEST_F(VmportSourceTest, ARefusalIsWaitedOutAndTheNextAnswerTaken) {
  const auto port = source(true, false);
  const UniqueFd host = accept();
  const share::Ticket place = want(64);
  const auto asked = question(host);
  ASSERT_TRUE(asked);
  EXPECT_TRUE(asked->full_only) << "for others";
  say(host, frame(Kind::refusal, {}, false, 1));
  ASSERT_TRUE(question(host)) << "a second later";
  say(host, frame(Kind::answer, test::uniform(64, 1)));
  EXPECT_TRUE(eventually([&] { return place.ready(); }));
}

TEST_F(VmportSourceTest, ARefusalWithoutATimeIsNoReasonToSpin) {
  const auto port = source();
  const UniqueFd host = accept();
  const share::Ticket place = want(64);
  ASSERT_TRUE(question(host));
  for (int times = 0; times < 2; ++times) {
    const TimePoint said = clock_.now();
    say(host, frame(Kind::refusal, {}, false, 0));
    ASSERT_TRUE(question(host));
    EXPECT_GE(clock_.now() - said, std::chrono::seconds(1));
  }
}

TEST_F(VmportSourceTest, WhatIsPassedOnCreditsNothingOfADrbg) {
  taken_ = false;
  const auto port = source(true, false);
  for (unsigned times = 0; times < 3; ++times) {
    const UniqueFd host = accept();
    say(host, frame(Kind::fresh, test::uniform(64, times), false));
    ASSERT_TRUE(eventually([&] { return fresh().size() == times + 1; }));
    EXPECT_TRUE(eventually([&] { return port->report().state == entropy::SourceState::healthy; }));
  }
  const UniqueFd host = accept();
  const share::Ticket place = want(64);
  ASSERT_TRUE(question(host));
  const auto before = key_.generation();
  say(host, frame(Kind::answer, test::uniform(64, 9), false));
  EXPECT_TRUE(eventually([&] { return key_.generation() > before; }));
  EXPECT_EQ(total().credited, 0U);
}

TEST_F(VmportSourceTest, AHostThatSendsWithoutEndHoldsUpNoStop) {
  const auto port = source();
  const UniqueFd host = accept();
  std::atomic<bool> stop{false};
  std::thread sender([&] {
    const Samples rubbish(65536, 1);
    while (!stop && ::send(host.get(), rubbish.data(), rubbish.size(), MSG_NOSIGNAL) > 0) {
    }
  });
  EXPECT_TRUE(eventually([&] { return port->report().dropped.at("no_frame") > 1 << 20; }));
  port->request_stop();
  EXPECT_TRUE(port->join(std::chrono::seconds(10)));
  stop = true;
  ::shutdown(host.get(), SHUT_RDWR);
  sender.join();
}

// A snapshot was taken between two reads.
TEST_F(VmportSourceTest, AFreshSeedIsFoundBehindHalfOfAnotherFrame) {
  const auto port = source();
  const UniqueFd host = accept();
  const Samples old = frame(Kind::answer, test::uniform(64, 1));
  for (std::size_t part = 1; part < old.size(); part += 10) {
    const Samples seed = test::uniform(64, 100 + part);
    say(host, Bytes(old).first(part));
    say(host, frame(Kind::fresh, seed));
    ASSERT_TRUE(eventually([&] { return !fresh().empty() && fresh().back().seed == to_hex(seed); }))
        << part;
  }
  EXPECT_GT(port->report().dropped.at("no_frame"), 0U);
}

TEST_F(VmportSourceTest, AHostThatHangsUpIsComeBackTo) {
  const auto port = source();
  {
    const UniqueFd host = accept();
    say(host, frame(Kind::fresh, test::uniform(64, 1)));
    ASSERT_TRUE(eventually([&] { return fresh().size() == 1; }));
  }
  const UniqueFd again = accept();
  say(again, frame(Kind::fresh, test::uniform(64, 2)));
  ASSERT_TRUE(eventually([&] { return fresh().size() == 2; }));
  // Gone for longer: another host takes its place.
  ::unlink(path().c_str());
  listener_.reset();
  ::shutdown(again.get(), SHUT_RDWR);
  ASSERT_TRUE(eventually([&] { return port->report().state == entropy::SourceState::gone; }));
  listener_ = net::listen_unix(path(), 0600);
  const UniqueFd other = accept();
  say(other, frame(Kind::fresh, test::uniform(64, 3)));
  ASSERT_TRUE(eventually([&] { return fresh().size() == 3; }));
}

TEST_F(VmportSourceTest, WithoutCreditItIsMixedInAndNobodyIsServed) {
  const auto port = source(false);
  const UniqueFd host = accept();
  say(host, frame(Kind::fresh, test::uniform(64, 1)));
  ASSERT_TRUE(eventually([&] { return fresh().size() == 1; }));
  EXPECT_EQ(fresh()[0].credited, 0U);
  const auto before = key_.generation();
  const share::Ticket place = want(64);
  ASSERT_TRUE(question(host));
  say(host, frame(Kind::answer, test::uniform(64, 2)));
  EXPECT_TRUE(eventually([&] { return key_.generation() > before; }));
  EXPECT_FALSE(place.ready());
}

TEST_F(VmportSourceTest, APortThatIsNotThereIsSaidSo) {
  Vmport port(VmportSettings{"vmport", "/dev/virtio-ports/no.such.port", {}, true}, services());
  port.start();
  EXPECT_TRUE(eventually([&] { return port.report().state == entropy::SourceState::gone; }));
  EXPECT_NE(port.report().detail.find("/dev/virtio-ports/no.such.port"), std::string::npos);
}

}  // namespace
}  // namespace qanat::sources
