#include "serve/delivery.h"

#include <gtest/gtest.h>

#include "support/test_hub.h"

namespace qanat::serve {
namespace {

using spec::Grade;

using test::Samples;

class DeliveryTest : public testing::Test {
 protected:
  Delivery draw(std::size_t bytes) {
    hub_.credit(bytes);
    Samples out(bytes);
    share::Ticket place = hub_.dispenser.request(flow_.id(), bytes, now_, [] {});
    return {place.collect(out), bytes, counters_, client_};
  }
  // Of the ledger, in bytes.
  std::uint64_t delivered() { return hub_.dispenser.report().total.delivered / 8; }
  std::uint64_t discarded() { return hub_.dispenser.report().total.discarded / 8; }
  void TearDown() override { EXPECT_TRUE(hub_.dispenser.report().total.balanced()); }

  test::TestHub hub_;
  TimePoint now_ = Clock().now();
  share::Flow flow_ = hub_.dispenser.open_flow("test");
  std::shared_ptr<share::Client> client_ =
      hub_.clients.find_or_add_certified("router", 1'700'000'000);
  DeliveryCounters counters_;
};

TEST_F(DeliveryTest, WhatHasArrivedIsDeliveredAndCounted) {
  draw(64).arrived(now_);
  EXPECT_EQ(delivered(), 64U);
  EXPECT_EQ(discarded(), 0U);
  EXPECT_EQ(counters_.full_bytes, 64U);
  EXPECT_EQ(client_->full_bytes, 64U);
  EXPECT_EQ(client_->recent_bytes.sum(now_), 64U);
  EXPECT_EQ(counters_.undelivered, 0U);
}

TEST_F(DeliveryTest, WhatHasNotIsDiscardedAndCountedAsUndelivered) {
  draw(64);
  EXPECT_EQ(delivered(), 0U);
  EXPECT_EQ(discarded(), 64U);
  EXPECT_EQ(counters_.undelivered, 64U);
  EXPECT_EQ(counters_.full_bytes, 0U);
  EXPECT_EQ(client_->full_bytes, 0U);
}

TEST_F(DeliveryTest, OfWhatArrivedInPartTheRestIsLost) {
  draw(64).arrived(40, now_);
  EXPECT_EQ(delivered(), 40U);
  EXPECT_EQ(discarded(), 24U);
  EXPECT_EQ(counters_.full_bytes, 40U);
  EXPECT_EQ(counters_.undelivered, 0U) << "the peer wanted no more";
}

TEST_F(DeliveryTest, ArrivesOnceHoweverOftenThatIsSaid) {
  Delivery delivery = draw(64);
  delivery.arrived(now_);
  delivery.arrived(now_);
  EXPECT_EQ(delivered(), 64U);
  EXPECT_EQ(counters_.full_bytes, 64U);
}

TEST_F(DeliveryTest, PiecesShareOneFate) {
  Delivery all;
  all.append(draw(64));
  all.append(draw(32));
  EXPECT_EQ(all.bytes(), 96U);
  EXPECT_EQ(counters_.undelivered, 0U) << "a piece that was handed over is not lost";
  all.arrived(now_);
  EXPECT_EQ(delivered(), 96U);
  EXPECT_EQ(counters_.full_bytes, 96U);
}

TEST_F(DeliveryTest, WhatAnotherTakesThePlaceOfIsLost) {
  Delivery delivery = draw(64);
  delivery = draw(32);
  EXPECT_EQ(discarded(), 64U);
  EXPECT_EQ(counters_.undelivered, 64U);
  delivery.arrived(now_);
  EXPECT_EQ(delivered(), 32U);
}

TEST_F(DeliveryTest, OfGradeDrbgNothingIsInTheLedger) {
  Delivery::of_drbg(64, counters_, client_).arrived(now_);
  Delivery::of_drbg(64, counters_, client_);
  EXPECT_EQ(counters_.drbg_bytes, 64U);
  EXPECT_EQ(client_->drbg_bytes, 64U);
  EXPECT_EQ(counters_.undelivered, 0U) << "there is no end of them";
  EXPECT_EQ(delivered() + discarded(), 0U);
}

TEST_F(DeliveryTest, OfNobodysBytesNothingHappens) {
  Delivery nothing;
  nothing.arrived(now_);
  EXPECT_EQ(nothing.bytes(), 0U);
}

}  // namespace
}  // namespace qanat::serve
