#include "outlets/broker/broker.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "outlets/broker/producer.h"
#include "peers/broker_link.h"
#include "support/eventually.h"
#include "support/test_hub.h"

namespace qanat::outlets {
namespace {

using peers::BrokerLink;
using spec::Grade;
using test::eventually;
using test::Samples;
using test::TestHub;
using wire::broker::Code;
using namespace std::chrono_literals;

class BrokerTest : public testing::Test {
 protected:
  BrokerTest() {
    std::filesystem::create_directories(directory_);
    write_users("joe|password|0\nslow|password|8000\n");
  }
  ~BrokerTest() override { std::filesystem::remove_all(directory_); }

  void write_users(const std::string& text) {
    std::ofstream(users_) << text;
    std::filesystem::permissions(
        users_, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  }
  std::unique_ptr<Broker> start(Grade grade, bool credit = false) {
    BrokerSettings settings;
    settings.stream.name = "broker";
    settings.stream.at.address = {"127.0.0.1", 0};
    settings.stream.grade = grade;
    settings.users_file = users_;
    settings.claim = {8, credit};
    auto outlet = std::make_unique<Broker>(settings, hub_.services());
    outlet->start();
    address_ = *spec::parse_address(outlet->address_text());
    return outlet;
  }
  Result<BrokerLink> log_in(const std::string& user, const std::string& password,
                            BrokerLink::Role role = BrokerLink::Role::consumer) {
    return BrokerLink::open(address_, {user, password}, role, never_, 20s);
  }
  Samples take(BrokerLink& link, std::size_t count) {
    Samples all;
    Samples some(count);
    while (all.size() < count) {
      const auto got = link.take(MutableBytes(some).first(count - all.size()), never_);
      if (!got || *got == 0) break;
      all.insert(all.end(), some.begin(), some.begin() + static_cast<std::ptrdiff_t>(*got));
    }
    return all;
  }
  UniqueFd connect() { return *net::connect_tcp(address_, never_, 20s); }
  void say(const UniqueFd& fd, Bytes bytes) {
    ASSERT_EQ(::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  bool ends(const UniqueFd& fd) {
    Samples in(65536);
    while (wait_for(fd.get(), POLLIN, never_, 30s) == Wake::ready) {
      const ssize_t n = ::recv(fd.get(), in.data(), in.size(), 0);
      if (n <= 0) return true;
    }
    return false;
  }

  const std::string directory_ = testing::TempDir() + "/qanat-broker-" + std::to_string(::getpid());
  const std::string users_ = directory_ + "/users";
  spec::Address address_;
  Waker never_;
  TestHub hub_;
};

TEST_F(BrokerTest, AConsumerDrawsDrbgBytesNoneOfThemTwice) {
  hub_.seed_drbg();
  const auto outlet = start(Grade::drbg);
  auto link = log_in("joe", "password");
  ASSERT_TRUE(link) << link.error().message;
  std::set<std::string> seen;
  std::size_t total = 0;
  // Sizes up and down: answers that were prepared are taken back.
  for (const std::size_t size : {4096U, 4096U, 100U, 4096U, 2048U, 4095U, 1U, 4096U, 4096U}) {
    const Samples got = take(*link, size);
    ASSERT_EQ(got.size(), size);
    total += size;
    for (std::size_t i = 0; i + 8 <= got.size(); i += 8) {
      EXPECT_TRUE(seen.insert(to_hex(Bytes(got).subspan(i, 8))).second);
    }
  }
  EXPECT_TRUE(eventually([&] { return outlet->report().drbg_bytes == total; }));
  const auto clients = hub_.clients.list();
  ASSERT_EQ(clients.size(), 1U);
  EXPECT_EQ(clients.front()->name, "broker-joe");
  EXPECT_TRUE(eventually([&] { return clients.front()->drbg_bytes == total; }));
}

TEST_F(BrokerTest, AConsumerPaysForFullAndWaitsForIt) {
  const auto outlet = start(Grade::full);
  auto link = log_in("joe", "password");
  ASSERT_TRUE(link) << link.error().message;
  std::thread later([this] {
    EXPECT_TRUE(eventually([&] { return hub_.dispenser.report().waiting_requests == 1; }));
    hub_.credit(512);
  });
  EXPECT_EQ(take(*link, 512).size(), 512U);
  later.join();
  EXPECT_TRUE(eventually([&] { return hub_.dispenser.report().total.delivered == 8 * 512; }));
  EXPECT_TRUE(hub_.dispenser.report().total.balanced());
}

TEST_F(BrokerTest, WhoFoundItEmptyIsToldWhenItIsNoMore) {
  // It is known that nothing comes: not worth waiting for.
  hub_.prove_supply(6400);
  hub_.lose_source();
  const auto outlet = start(Grade::full);
  auto link = log_in("joe", "password");
  ASSERT_TRUE(link) << link.error().message;
  const auto ask = encode(Code::take, 512);
  ASSERT_EQ(::send(link->descriptor(), ask.data(), ask.size(), MSG_NOSIGNAL), 8);
  const auto hear = [&] {
    Samples in(8);
    wire::broker::Message message;
    std::size_t used = 0;
    EXPECT_EQ(wait_for(link->descriptor(), POLLIN, never_, 30s), Wake::ready);
    EXPECT_EQ(::recv(link->descriptor(), in.data(), in.size(), MSG_WAITALL), 8);
    EXPECT_EQ(decode(in, message, used), wire::Status::complete);
    return message;
  };
  const auto refusal = hear();
  EXPECT_TRUE(refusal.is(Code::empty)) << refusal.code;
  EXPECT_EQ(refusal.value, 5U) << "seconds";
  hub_.credit(512);
  EXPECT_TRUE(hear().is(Code::available));
}

TEST_F(BrokerTest, WhoIsNotKnownIsHungUpOnAndCounted) {
  const auto outlet = start(Grade::drbg);
  EXPECT_FALSE(log_in("joe", "wrong password"));
  EXPECT_FALSE(log_in("nobody", "password"));
  EXPECT_TRUE(eventually([&] { return outlet->report().refused.at("unauthorised") == 2; }));
  EXPECT_TRUE(hub_.clients.list().empty());
  write_users("ann|another\n");
  outlet->reload();
  EXPECT_FALSE(log_in("joe", "password")) << "no longer in the file";
  EXPECT_TRUE(log_in("ann", "another"));
  write_users("nonsense\n");
  outlet->reload();
  EXPECT_TRUE(log_in("ann", "another")) << "a file that is wrong changes nothing";
}

TEST_F(BrokerTest, AUserHasItsRateAndNoMore) {
  hub_.seed_drbg();
  const auto outlet = start(Grade::drbg);
  auto link = log_in("slow", "password");
  ASSERT_TRUE(link) << link.error().message;
  // A bucket that holds anything gives all of a request.
  EXPECT_EQ(take(*link, 8192).size(), 8192U);
  Samples in(4096);
  Waker soon;
  std::thread stop([&] {
    EXPECT_TRUE(eventually([&] { return outlet->report().refused.at("over_share") == 1; }));
    soon.wake();
  });
  // 1,000 bytes a second, and what it took is owed.
  EXPECT_EQ(*link->take(in, soon), 0U);
  stop.join();
}

TEST_F(BrokerTest, WhatAProducerDeliversIsTestedAndCreditedAsConfigured) {
  for (const bool credit : {true, false}) {
    const auto outlet = start(Grade::full, credit);
    const std::uint64_t before = hub_.dispenser.report().total.credited;
    {
      auto link = log_in("joe", "password", BrokerLink::Role::producer);
      ASSERT_TRUE(link) << link.error().message;
      std::size_t sent = 0;
      for (int i = 0; i < 4; ++i) {
        const auto offer = link->offer(4096, never_);
        ASSERT_TRUE(offer && *offer) << offer.error().message;
        if ((*offer)->bytes == 0) break;
        const Samples noise = test::uniform((*offer)->bytes, static_cast<std::uint64_t>(i) + 99);
        ASSERT_TRUE(link->deliver(noise));
        sent += noise.size();
      }
      EXPECT_GE(sent, 4096U);
      EXPECT_TRUE(eventually([&] {
        const auto inflows = outlet->report().inflows;
        return inflows.size() == 1 && inflows[0].intake.samples == sent;
      }));
      const auto inflow = outlet->report().inflows.at(0);
      EXPECT_EQ(inflow.intake.state, entropy::SourceState::healthy);
      EXPECT_TRUE(inflow.name.starts_with("joe at ")) << inflow.name;
    }
    EXPECT_EQ(hub_.dispenser.report().total.credited > before, credit);
    EXPECT_TRUE(eventually(
        [&] { return outlet->report().inflows.at(0).intake.state == entropy::SourceState::gone; }));
  }
}

TEST_F(BrokerTest, AStuckProducerFailsItsTests) {
  const auto outlet = start(Grade::full, true);
  auto link = log_in("joe", "password", BrokerLink::Role::producer);
  ASSERT_TRUE(link) << link.error().message;
  for (int i = 0; i < 20; ++i) {
    const auto offer = link->offer(4096, never_);
    ASSERT_TRUE(offer && *offer);
    if ((*offer)->bytes == 0) break;
    ASSERT_TRUE(link->deliver(Samples((*offer)->bytes, 5)));
  }
  EXPECT_TRUE(eventually(
      [&] { return outlet->report().inflows.at(0).intake.state == entropy::SourceState::failed; }));
  EXPECT_EQ(hub_.dispenser.report().total.credited, 0U);
  const auto offer = link->offer(4096, never_);
  ASSERT_TRUE(offer && *offer);
  EXPECT_EQ((*offer)->bytes, 0U) << "a failed source is not asked for more";
  EXPECT_TRUE(eventually([&] { return outlet->report().refused.at("not_wanted") >= 1; }));
}

TEST_F(BrokerTest, NonsenseEndsTheConnectionAndNobodyElses) {
  hub_.seed_drbg();
  const auto outlet = start(Grade::drbg);
  auto other = log_in("joe", "password");
  ASSERT_TRUE(other);
  const Samples huge{0xff, 0xff, 0xff, 0xff, 'x'};
  const UniqueFd before_login = connect();
  say(before_login, huge);
  EXPECT_TRUE(ends(before_login));
  EXPECT_TRUE(eventually([&] { return outlet->report().refused.at("malformed") == 1; }));
  // Half a login and away; a login and half a message; a login, and away in the middle of a reply.
  {
    const UniqueFd half = connect();
    say(half, Samples{0, 0, 0, 3, 'j'});
  }
  for (int i = 0; i < 200; ++i) {
    auto leaver = log_in("joe", "password");
    ASSERT_TRUE(leaver);
    const auto ask = encode(Code::take, 32768);
    const std::size_t some = i % 2 == 0 ? ask.size() : 5;
    ASSERT_EQ(::send(leaver->descriptor(), ask.data(), some, MSG_NOSIGNAL),
              static_cast<ssize_t>(some));
  }
  for (const std::uint32_t value : {0U, 0xffffffffU}) {
    auto one = log_in("joe", "password", BrokerLink::Role::producer);
    ASSERT_TRUE(one);
    const auto words = encode(value == 0 ? Code::take : Code::producer, value);
    ASSERT_GT(::send(one->descriptor(), words.data(), words.size(), MSG_NOSIGNAL), 0);
    Samples in(100);
    EXPECT_EQ(wait_for(one->descriptor(), POLLIN, never_, 30s), Wake::ready);
    EXPECT_EQ(::recv(one->descriptor(), in.data(), in.size(), 0), 0);
  }
  EXPECT_TRUE(eventually([&] { return outlet->report().refused.at("malformed") == 3; }));
  EXPECT_EQ(take(*other, 4096).size(), 4096U) << "the one beside them noticed nothing";
  EXPECT_TRUE(eventually([&] { return outlet->report().connections == 1; }));
}

TEST_F(BrokerTest, OurProducerFeedsABrokerUntilItIsFull) {
  hub_.credit(4096);
  const auto outlet = start(Grade::full, true);
  std::ofstream(directory_ + "/pw") << "joe\npassword\n";
  std::filesystem::permissions(directory_ + "/pw", std::filesystem::perms::owner_read);
  BrokerProducer producer("producer", {"joe", directory_ + "/pw", address_}, Grade::full, {},
                          hub_.services());
  producer.start();
  EXPECT_TRUE(eventually([&] { return producer.report().full_bytes >= 1024; }));
  producer.stop();
  EXPECT_TRUE(eventually([&] {
    return outlet->report().inflows.at(0).intake.samples >= producer.report().full_bytes;
  }));
  EXPECT_TRUE(hub_.dispenser.report().total.balanced());
}

TEST_F(BrokerTest, AProducerWhoseBrokerIsAwaySaysSo) {
  std::ofstream(directory_ + "/pw") << "password\n";
  std::filesystem::permissions(directory_ + "/pw", std::filesystem::perms::owner_read);
  BrokerProducer producer("producer", {"joe", directory_ + "/pw", {"127.0.0.1", 9}}, Grade::full,
                          {}, hub_.services());
  producer.start();
  EXPECT_TRUE(eventually([&] { return !producer.report().problem.empty(); }));
  BrokerProducer without("producer", {"joe", directory_ + "/none", {"127.0.0.1", 9}}, Grade::full,
                         {}, hub_.services());
  EXPECT_THROW(without.start(), Failure);
}

}  // namespace
}  // namespace qanat::outlets
