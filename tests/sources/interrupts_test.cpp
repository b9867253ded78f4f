#include "sources/interrupts.h"

#include <gtest/gtest.h>

#include "sources/source_test.h"

namespace qanat::sources {
namespace {

using test::eventually;

test::Samples text(const std::string& of) { return {of.begin(), of.end()}; }

TEST(NumbersIn, AreThoseThatBeginAWord) {
  EXPECT_EQ(numbers_in(""), std::vector<std::uint64_t>());
  EXPECT_EQ(numbers_in("  24:          1          0  IO-APIC   5-edge      ACPI:Ged\n"),
            (std::vector<std::uint64_t>{24, 1, 0, 5}));
  EXPECT_EQ(numbers_in("eth0: 12 7\nlo:3"), (std::vector<std::uint64_t>{12, 7, 3}));
  // Of a number that is too large the low bits remain.
  EXPECT_EQ(numbers_in("18446744073709551617"), std::vector<std::uint64_t>{1});
}

TEST_F(SourceTest, InterruptsAreSampledAndCreditedNothing) {
  auto source = start("interrupts");
  EXPECT_TRUE(eventually([&] { return source->report().bytes >= 512; }));
  EXPECT_EQ(dispenser_.report().total.credited, 0U);
  EXPECT_FALSE(source->report().credit);
}

TEST_F(SourceTest, ACounterThatGrowsGivesWhatItHasGrownBy) {
  write_file(path("a"), text("lo: 5 100 7\n"));
  Interrupts interrupts({path("absent"), path("a")});
  const Waker waker;
  ASSERT_TRUE(interrupts.open(waker));
  std::array<std::uint8_t, 16> out{};
  // Nothing has changed: the time alone.
  EXPECT_EQ(interrupts.read(out, waker).value_or(0), 1U);
  // Lines may come and go.
  write_file(path("a"), text("lo: 5 103 7 1\neth0: 1\n"));
  ASSERT_EQ(interrupts.read(out, waker).value_or(0), 2U);
  EXPECT_EQ(out[0], 3);
  std::filesystem::remove(path("a"));
  EXPECT_FALSE(interrupts.read(out, waker));
  EXPECT_FALSE(interrupts.open(waker));
}

}  // namespace
}  // namespace qanat::sources
