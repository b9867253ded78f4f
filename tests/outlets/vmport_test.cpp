#include "outlets/vmport.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <filesystem>
#include <set>

#include "net/connect.h"
#include "support/eventually.h"
#include "support/test_hub.h"
#include "wire/vmport.h"

namespace qanat::outlets {
namespace {

namespace vmport = wire::vmport;
using spec::Grade;
using test::eventually;
using test::Samples;
using test::TestHub;
using vmport::Kind;

class VmportTest : public testing::Test {
 protected:
  VmportTest() { std::filesystem::create_directories(directory_); }
  ~VmportTest() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<serve::Outlet> start(Grade grade) {
    serve::StreamSettings settings;
    settings.name = "vmport";
    settings.at.unix_path = path_;
    settings.grade = grade;
    settings.limits = limits_;
    auto outlet = make_vmport(settings, hub_.services());
    outlet->start();
    return outlet;
  }
  UniqueFd connect() { return *net::connect_unix(path_); }
  static void say(const UniqueFd& fd, Bytes bytes) {
    ASSERT_EQ(::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  static void ask(const UniqueFd& fd, std::uint32_t id, std::size_t bytes, bool full_only = false) {
    say(fd, vmport::encode(vmport::GuestFrame{id, bytes, full_only}));
  }
  // What a guest has of a frame of the host's.
  struct Heard {
    Kind kind = Kind::request;  // nothing came: hung up on
    bool full = false;
    std::uint32_t id = 0;
    std::uint32_t wait = 0;
    std::string seed;  // hex
  };
  Heard hear(const UniqueFd& fd) {
    Samples in(vmport::host_frame_bytes);
    std::size_t have = 0;
    while (have < in.size() &&
           wait_for(fd.get(), POLLIN, waker_, std::chrono::seconds(30)) == Wake::ready) {
      const ssize_t n = ::recv(fd.get(), in.data() + have, in.size() - have, 0);
      if (n <= 0) break;
      have += static_cast<std::size_t>(n);
    }
    const auto frame = vmport::decode_host(Bytes(in).first(have));
    if (!frame) return {};
    return {frame->kind, frame->full, frame->id, frame->wait, to_hex(frame->seed)};
  }
  share::DispenserReport books() const { return hub_.dispenser.report(); }

  const std::string directory_ = testing::TempDir() + "/qanat-vmport-" + std::to_string(::getpid());
  const std::string path_ = directory_ + "/q";
  serve::Limits limits_;
  TestHub hub_;
  Waker waker_;
};

TEST_F(VmportTest, EveryConnectionHasAFreshSeedBeforeItAsksAndEachIsPaidFor) {
  hub_.credit(1 << 16);
  const auto outlet = start(Grade::full);
  std::set<std::string> seeds;
  for (int i = 0; i < 50; ++i) {
    const UniqueFd fd = connect();
    const Heard fresh = hear(fd);
    EXPECT_EQ(fresh.kind, Kind::fresh);
    EXPECT_TRUE(fresh.full);
    EXPECT_EQ(fresh.seed.size(), 128U);
    EXPECT_TRUE(seeds.insert(fresh.seed).second);
  }
  EXPECT_TRUE(eventually([&] { return books().total.delivered == 50U * 512; }));
  EXPECT_TRUE(books().total.balanced());
}

TEST_F(VmportTest, AnswersWhatItIsAskedAndSaysForWhich) {
  hub_.credit(4096);
  const auto outlet = start(Grade::full);
  const UniqueFd fd = connect();
  (void)hear(fd);
  ask(fd, 7, 64);
  ask(fd, 8, 32, true);
  const Heard first = hear(fd);
  EXPECT_EQ(first.kind, Kind::answer);
  EXPECT_EQ(first.id, 7U);
  EXPECT_EQ(first.seed.size(), 128U);
  const Heard second = hear(fd);
  EXPECT_EQ(second.id, 8U);
  EXPECT_EQ(second.seed.size(), 64U);
  EXPECT_TRUE(second.full);
  EXPECT_TRUE(eventually([&] { return books().total.delivered == 8U * (64 + 64 + 32); }));
}

TEST_F(VmportTest, AHostWithoutFullBytesGivesItsDrbgsAndSaysSo) {
  hub_.seed_drbg();
  const auto outlet = start(Grade::full);
  const UniqueFd fd = connect();
  const Heard fresh = hear(fd);
  EXPECT_EQ(fresh.kind, Kind::fresh);
  EXPECT_FALSE(fresh.full) << "a copy that waits is a copy that says what others say";
  EXPECT_EQ(fresh.seed.size(), 128U);
  EXPECT_EQ(books().total.delivered, 0U);
}

TEST_F(VmportTest, AHostThatHasJustBegunGivesTheSeedAsSoonAsItHasOne) {
  const auto outlet = start(Grade::full);
  const UniqueFd fd = connect();
  EXPECT_TRUE(eventually([&] { return books().waiting_requests == 1; }));
  hub_.credit(64);
  EXPECT_EQ(hear(fd).kind, Kind::fresh);
}

TEST_F(VmportTest, WhatCannotBeHadIsRefusedWithATime) {
  hub_.seed_drbg();
  const auto outlet = start(Grade::drbg);
  const UniqueFd fd = connect();
  (void)hear(fd);
  ask(fd, 3, 64, true);
  const Heard refusal = hear(fd);
  EXPECT_EQ(refusal.kind, Kind::refusal);
  EXPECT_EQ(refusal.id, 3U);
  EXPECT_GE(refusal.wait, 1U);
  EXPECT_EQ(outlet->report().refused.at("unavailable"), 1U);
}

TEST_F(VmportTest, TheRestOfARequestFromBeforeARestoreIsPassedOver) {
  hub_.credit(4096);
  const auto outlet = start(Grade::full);
  const auto request = vmport::encode(vmport::GuestFrame{1, 64, false});
  for (std::size_t cut = 1; cut < request.size(); ++cut) {
    const UniqueFd fd = connect();
    (void)hear(fd);
    say(fd, Bytes(request).subspan(cut));
    say(fd, request);
    EXPECT_EQ(hear(fd).kind, Kind::answer) << cut;
  }
  EXPECT_EQ(outlet->report().refused.at("malformed"), 0U);
}

TEST_F(VmportTest, GarbageClosesTheConnectionAndNoOther) {
  hub_.credit(4096);
  const auto outlet = start(Grade::full);
  const UniqueFd good = connect();
  (void)hear(good);
  const UniqueFd bad = connect();
  (void)hear(bad);
  say(bad, test::uniform(64, 9));
  EXPECT_EQ(hear(bad).kind, Kind::request) << "hung up on";
  EXPECT_TRUE(eventually([&] { return outlet->report().refused.at("malformed") == 1; }));
  // A frame that is one, and says nothing that there is.
  const UniqueFd odd = connect();
  (void)hear(odd);
  ask(odd, 1, 65);
  EXPECT_EQ(hear(odd).kind, Kind::request);
  EXPECT_TRUE(eventually([&] { return outlet->report().refused.at("malformed") == 2; }));
  ask(good, 1, 64);
  EXPECT_EQ(hear(good).kind, Kind::answer);
}

TEST_F(VmportTest, AFloodOfOneGuestIsReadNoFasterThanItsShare) {
  hub_.seed_drbg();
  const auto outlet = start(Grade::drbg);
  const UniqueFd fd = connect();
  (void)hear(fd);
  for (std::uint32_t i = 0; i < 200; ++i) ask(fd, i, 64);
  // 64 at once, the fresh one among them; then it is paced.
  for (int i = 0; i < 63; ++i) EXPECT_EQ(hear(fd).kind, Kind::answer);
  EXPECT_TRUE(eventually([&] { return outlet->report().refused.at("over_share") > 0; }));
  EXPECT_LT(outlet->report().deliveries, 200U);
  const UniqueFd other = connect();
  EXPECT_EQ(hear(other).kind, Kind::fresh) << "and nobody else waits for it";
}

TEST_F(VmportTest, AFloodIsCountedByGuestAndNotByConnection) {
  hub_.seed_drbg();
  const auto outlet = start(Grade::drbg);
  // 64 at once, and 64 a second come back meanwhile.
  for (int i = 0; i < 5000 && outlet->report().refused.at("over_share") == 0; ++i) {
    const UniqueFd fd = connect();
    EXPECT_EQ(hear(fd).kind, Kind::fresh) << "each has its seed when its time has come";
  }
  EXPECT_GT(outlet->report().refused.at("over_share"), 0U)
      << "who begins again is still the same guest";
}

TEST_F(VmportTest, RefusalsArePacedAndSayWhenToComeAgain) {
  hub_.seed_drbg();
  hub_.credit(4096);  // so that there would be nothing to wait for
  const auto outlet = start(Grade::drbg);
  const UniqueFd fd = connect();
  (void)hear(fd);
  for (std::uint32_t i = 0; i < 100; ++i) ask(fd, i, 64, true);
  for (int i = 0; i < 63; ++i) EXPECT_EQ(hear(fd).wait, 60U) << "grade full is never given here";
  EXPECT_TRUE(eventually([&] { return outlet->report().refused.at("over_share") > 0; }));
}

TEST_F(VmportTest, QuestionsSentTogetherShareTheirTime) {
  limits_.line = std::chrono::seconds(1);
  hub_.seed_drbg();
  const auto outlet = start(Grade::full);
  const UniqueFd fd = connect();
  (void)hear(fd);
  const auto began = std::chrono::steady_clock::now();
  for (std::uint32_t i = 0; i < 20; ++i) ask(fd, i, 64, true);
  for (std::uint32_t i = 0; i < 20; ++i) {
    const Heard refusal = hear(fd);
    EXPECT_EQ(refusal.kind, Kind::refusal);
    EXPECT_EQ(refusal.id, i);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(15))
      << "not a second for each";
}

TEST_F(VmportTest, TheNewestConnectionOfAGuestIsItsPort) {
  limits_.peer_connections = 4;
  hub_.credit(1 << 14);
  const auto outlet = start(Grade::full);
  std::vector<UniqueFd> old;
  for (int i = 0; i < 4; ++i) {
    old.push_back(connect());
    EXPECT_EQ(hear(old.back()).kind, Kind::fresh);
  }
  const UniqueFd newest = connect();
  EXPECT_EQ(hear(newest).kind, Kind::fresh);
  EXPECT_EQ(hear(old.front()).kind, Kind::request) << "hung up on";
  ask(newest, 1, 64);
  EXPECT_EQ(hear(newest).kind, Kind::answer);
  EXPECT_EQ(outlet->report().refused.at("peer_connections"), 0U);
}

TEST_F(VmportTest, ASeedThatCouldNotBeDeliveredIsNobodyElses) {
  hub_.credit(64);
  const auto outlet = start(Grade::full);
  {
    const UniqueFd fd = connect();
    (void)hear(fd);
    ask(fd, 1, 64);
    EXPECT_TRUE(eventually([&] { return books().waiting_requests == 1; }));
  }
  EXPECT_TRUE(eventually([&] { return books().waiting_requests == 0; }));
  EXPECT_TRUE(books().total.balanced());
}

}  // namespace
}  // namespace qanat::outlets
