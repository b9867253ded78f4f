#include "outlets/raw.h"

#include <gtest/gtest.h>

#include "outlets/stream_test.h"

namespace qanat::outlets {
namespace {

using test::eventually;

using RawTest = StreamTest;

TEST_F(RawTest, EachReaderGetsOtherBytesAndPaysForThem) {
  const auto outlet = start("raw:" + path_);
  const UniqueFd one = connect(*outlet);
  const UniqueFd other = connect(*outlet);
  ASSERT_TRUE(eventually([&] { return hub_.dispenser.report().waiting_requests == 2; }));
  const std::size_t piece = hub_.dispenser.slice();
  hub_.credit(2 * piece);
  const auto first = hear(one, piece);
  const auto second = hear(other, piece);
  ASSERT_EQ(first.size(), piece);
  ASSERT_EQ(second.size(), piece);
  EXPECT_NE(first, second);
  EXPECT_TRUE(eventually([&] { return outlet->report().full_bytes == 2 * piece; }));
  EXPECT_EQ(delivered_bytes(), 2 * piece);
  EXPECT_EQ(outlet->report().deliveries, 2U) << "a connection is one";
}

TEST_F(RawTest, WhatAReaderThatHasGoneWasToGetIsNobodys) {
  const auto outlet = start("raw:" + path_);
  {
    const UniqueFd reader = connect(*outlet);
    ASSERT_TRUE(eventually([&] { return hub_.dispenser.report().waiting_requests == 1; }));
  }
  ASSERT_TRUE(eventually([&] { return outlet->report().connections == 0; }));
  hub_.credit(64);
  EXPECT_EQ(delivered_bytes(), 0U);
  EXPECT_EQ(hub_.dispenser.report().fill, 64U) << "nobody waits any more: they stay in the reserve";
  EXPECT_TRUE(hub_.dispenser.report().total.balanced());
}

TEST_F(RawTest, OfGradeDrbgThereIsNoEndAndNothingToPay) {
  hub_.seed_drbg();
  ASSERT_TRUE(eventually([&] { return hub_.services().drbg.ready(); }));
  const auto outlet = start("raw:" + path_ + "?grade=drbg");
  const UniqueFd reader = connect(*outlet);
  EXPECT_EQ(hear(reader, 100'000).size(), 100'000U);
  EXPECT_TRUE(eventually([&] { return outlet->report().drbg_bytes >= 100'000; }));
  EXPECT_EQ(outlet->report().full_bytes, 0U);
}

TEST_F(RawTest, AConnectionBeginsWithNoBytesThatNobodyHasCounted) {
  hub_.seed_drbg();
  ASSERT_TRUE(eventually([&] { return hub_.services().drbg.ready(); }));
  OutletDefaults defaults;
  defaults.limits.limit_local = true;
  // A block of 16 KiB more than the burst may be owed.
  defaults.limits.block_drbg = {1024, 240 << 10};
  const auto outlet =
      plan_outlet("raw:" + path_ + "?grade=drbg", defaults).make(hub_.all_services());
  outlet->start();
  const UniqueFd first = connect(*outlet);
  EXPECT_EQ(hear(first, 256 << 10).size(), 256U << 10) << "its burst, and the block that it owes";
  const UniqueFd second = connect(*outlet);
  EXPECT_NE(wait_for(second.get(), POLLIN, waker_, std::chrono::milliseconds(300)), Wake::ready)
      << "its block owes already";
  EXPECT_LE(outlet->report().drbg_bytes, 256U << 10);
}

TEST_F(RawTest, AnAddressMustHaveItsPort) {
  EXPECT_THROW(plan_outlet("raw://127.0.0.1"), Failure);
  EXPECT_EQ(plan_outlet("raw://127.0.0.1:1").place, "tcp 127.0.0.1:1");
  EXPECT_THROW(plan_outlet("raw://192.0.2.1:1"), Failure) << "nobody guards it";
  EXPECT_NO_THROW(plan_outlet("raw://192.0.2.1:1?access=open"));
}

}  // namespace
}  // namespace qanat::outlets
