#include "outlets/egd.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <filesystem>
#include <set>

#include "outlets/stream_test.h"

namespace qanat::outlets {
namespace {

using spec::Grade;
using test::eventually;
using test::Samples;

class EgdTest : public StreamTest {
 protected:
  std::unique_ptr<serve::Outlet> start(Grade grade, unsigned mode = 0600) {
    serve::StreamSettings settings;
    settings.name = "egd";
    settings.at.unix_path = path_;
    settings.at.unix_mode = mode;
    settings.grade = grade;
    settings.limits.peer_connections = peer_connections_;
    auto outlet = make_egd(settings, hub_.services());
    outlet->start();
    return outlet;
  }
  UniqueFd connect() { return *net::connect_unix(path_); }
  static void say(const UniqueFd& fd, const Samples& bytes) { StreamTest::say(fd, bytes); }
  std::uint64_t delivered() const { return hub_.dispenser.report().total.delivered; }

  std::size_t peer_connections_ = 1000;
};

TEST_F(EgdTest, AnswersAllCommandsAndPaysForFull) {
  const auto outlet = start(Grade::full);
  const UniqueFd fd = connect();
  say(fd, {0});
  EXPECT_EQ(hear(fd, 4), (Samples{0, 0, 0, 0}));
  hub_.credit(512);
  say(fd, {0, 2, 255, 0});
  EXPECT_EQ(hear(fd, 4), (Samples{0, 0, 16, 0}));
  EXPECT_EQ(hear(fd, 255).size(), 255U);
  EXPECT_EQ(hear(fd, 4), (Samples{0, 0, 8, 8})) << "257 bytes are left";
  say(fd, {1, 255, 1, 255});
  EXPECT_EQ(hear(fd, 1), Samples{255});
  EXPECT_EQ(hear(fd, 255).size(), 255U);
  const Samples rest = hear(fd, 1);
  EXPECT_GT(rest.at(0), 0U) << "fewer, but what there is";
  EXPECT_EQ(hear(fd, rest.at(0)).size(), rest.at(0));
  EXPECT_TRUE(eventually([&] { return delivered() == 8 * (510U + rest.at(0)); }));
  EXPECT_TRUE(hub_.dispenser.report().total.balanced());
  say(fd, {4});
  const Samples length = hear(fd, 1);
  const Samples digits = hear(fd, length.at(0));
  EXPECT_EQ(std::string(digits.begin(), digits.end()), std::to_string(::getpid()));
  const std::uint64_t before = hub_.key.generation();
  say(fd, {3, 0, 24, 3, 1, 2, 3});
  EXPECT_TRUE(eventually([&] { return hub_.key.generation() == before + 1; }));
  EXPECT_EQ(hub_.dispenser.report().total.credited, 8U * 512) << "and credited nothing";
}

TEST_F(EgdTest, ABlockingReadWaitsAndOneThatLeavesIsForgotten) {
  const auto outlet = start(Grade::full);
  const UniqueFd fd = connect();
  say(fd, {2, 64});
  EXPECT_TRUE(eventually([&] { return hub_.dispenser.report().waiting_requests == 1; }));
  {
    const UniqueFd leaver = connect();
    say(leaver, {2, 64});
    EXPECT_TRUE(eventually([&] { return hub_.dispenser.report().waiting_requests == 2; }));
  }
  EXPECT_TRUE(eventually([&] { return hub_.dispenser.report().waiting_requests == 1; }));
  hub_.credit(64);
  EXPECT_EQ(hear(fd, 64).size(), 64U);
  EXPECT_TRUE(eventually([&] { return delivered() == 512; }));
}

TEST_F(EgdTest, WhoEndsItsHalfStillWaitsForItsAnswer) {
  const auto outlet = start(Grade::full);
  const UniqueFd fd = connect();
  say(fd, {2, 64});
  ::shutdown(fd.get(), SHUT_WR);
  {
    const UniqueFd leaver = connect();
    say(leaver, {2, 64});
    ::shutdown(leaver.get(), SHUT_WR);
    EXPECT_TRUE(eventually([&] { return hub_.dispenser.report().waiting_requests == 2; }));
  }
  hub_.credit(64);
  EXPECT_EQ(hear(fd, 64).size(), 64U);
  EXPECT_TRUE(eventually([&] { return delivered() == 512; }));
  hub_.credit(64);
  EXPECT_TRUE(eventually([&] { return outlet->report().connections == 0; }));
  EXPECT_EQ(hub_.dispenser.report().total.discarded, 0U) << "nothing was drawn for who had left";
}

TEST_F(EgdTest, CommandsMayComeInPiecesAndMany) {
  hub_.seed_drbg();
  const auto outlet = start(Grade::drbg);
  const UniqueFd fd = connect();
  for (const std::uint8_t byte : Samples{3, 0, 8, 2, 9, 9, 2, 16}) say(fd, {byte});
  std::set<std::string> seen{to_hex(hear(fd, 16))};
  Samples many;
  for (int i = 0; i < 5000; ++i) {
    many.push_back(2);
    many.push_back(16);
  }
  say(fd, many);
  for (int i = 0; i < 5000; ++i) EXPECT_TRUE(seen.insert(to_hex(hear(fd, 16))).second);
  EXPECT_TRUE(eventually([&] { return outlet->report().drbg_bytes == 16 * 5001; }));
}

TEST_F(EgdTest, NonsenseEndsTheConnectionAndIsCounted) {
  hub_.seed_drbg();
  const auto outlet = start(Grade::drbg);
  const UniqueFd fd = connect();
  say(fd, {2, 8, 77});
  EXPECT_EQ(hear(fd, 20).size(), 8U) << "what came before it is answered";
  EXPECT_TRUE(eventually([&] { return outlet->report().refused.at("malformed") == 1; }));
  EXPECT_TRUE(eventually([&] { return outlet->report().connections == 0; }));
}

TEST_F(EgdTest, WhoReadsNothingHoldsNobodyUp) {
  hub_.seed_drbg();
  const auto outlet = start(Grade::drbg);
  const UniqueFd lazy = connect();
  Samples many;
  for (int i = 0; i < 30000; ++i) {
    many.push_back(2);
    many.push_back(255);
  }
  (void)::send(lazy.get(), many.data(), many.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  const UniqueFd fd = connect();
  for (int i = 0; i < 100; ++i) {
    say(fd, {2, 32});
    EXPECT_EQ(hear(fd, 32).size(), 32U);
  }
}

TEST_F(EgdTest, OneUserHasSoManyConnectionsAndNoMore) {
  hub_.seed_drbg();
  peer_connections_ = 3;
  const auto outlet = start(Grade::drbg);
  std::vector<UniqueFd> held;
  for (int i = 0; i < 3; ++i) {
    held.push_back(connect());
    say(held.back(), {2, 8});
    EXPECT_EQ(hear(held.back(), 8).size(), 8U);
  }
  const UniqueFd fourth = connect();
  EXPECT_EQ(hear(fourth, 1).size(), 0U) << "hung up on";
  EXPECT_EQ(outlet->report().refused.at("peer_connections"), 1U);
  held.pop_back();
  EXPECT_TRUE(eventually([&] { return outlet->report().connections == 2; }));
  // The place is free a moment after the connection has ended.
  EXPECT_TRUE(eventually([&] {
    const UniqueFd fd = connect();
    const Samples ask = {2, 8};
    (void)::send(fd.get(), ask.data(), ask.size(), MSG_NOSIGNAL);
    return hear(fd, 8).size() == 8;
  }));
}

TEST_F(EgdTest, TheSocketHasTheModeThatWasAskedFor) {
  const auto outlet = start(Grade::drbg, 0666);
  struct stat info {};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0666U);
}

}  // namespace
}  // namespace qanat::outlets
