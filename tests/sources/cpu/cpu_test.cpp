#include "sources/cpu/cpu.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <random>

namespace qanat::sources {
namespace {

constexpr std::uint64_t ones = std::numeric_limits<std::uint64_t>::max();

const CpuInstruction there{.name = "FAKE",
                           .architecture = "fake",
                           .flag = "a flag",
                           .fault_run = 1,
                           .has = [] { return true; },
                           .next = [](std::uint64_t&) { return false; }};

struct CpuTest : testing::Test {
  Result<std::size_t> read(const Cpu::Next& next) {
    Cpu cpu(there, next);
    EXPECT_TRUE(cpu.open(waker));
    return cpu.read(out, waker);
  }
  // Noise, but for word number `at`.
  Result<std::size_t> read_with(std::size_t at, std::uint64_t word) {
    std::size_t count = 0;
    return read([&, at, word](std::uint64_t& to) {
      to = count++ == at ? word : random();
      return true;
    });
  }

  Waker waker;
  std::mt19937_64 random{1};
  std::array<std::uint8_t, 509> out{};  // no whole number of words
};

TEST_F(CpuTest, FillsWhatIsWantedWithItsWords) {
  const auto got = read_with(0, 0x0123456789abcdef);
  ASSERT_TRUE(got);
  EXPECT_EQ(*got, out.size());
  EXPECT_EQ(to_hex(Bytes(out).first(8)), "efcdab8967452301");
}

TEST_F(CpuTest, AWordOfZerosOrOnesIsAFaultAtOnce) {
  for (const std::size_t at : {0U, 1U, 63U}) {
    for (const std::uint64_t word : {std::uint64_t{0}, ones}) {
      const auto got = read_with(at, word);
      ASSERT_FALSE(got);
      EXPECT_TRUE(got.error().fault);
      EXPECT_NE(got.error().message.find(word == 0 ? "64 zeros" : "64 ones"), std::string::npos);
    }
  }
  // As the forms of 16 and 32 bits gave them: half a word is for the health tests.
  EXPECT_TRUE(read_with(1, 0xffffffff00000000));
}

TEST_F(CpuTest, AStuckWordIsAFaultAlsoAcrossReads) {
  Cpu cpu(there, [](std::uint64_t& word) {
    word = 0x0123456789abcdef;
    return true;
  });
  const auto first = cpu.read(MutableBytes(out).first(8), waker);
  ASSERT_TRUE(first);
  const auto second = cpu.read(MutableBytes(out).first(8), waker);
  ASSERT_FALSE(second);
  EXPECT_TRUE(second.error().fault);
  // A new start knows nothing of it.
  cpu.close();
  EXPECT_TRUE(cpu.read(MutableBytes(out).first(8), waker));
}

TEST_F(CpuTest, OfRawNoiseItTakesTwoInARow) {
  CpuInstruction raw = there;
  raw.fault_run = darn.fault_run;
  const std::uint64_t a = 0x0123456789abcdef;
  const std::uint64_t b = 0xfedcba9876543210;
  const auto fails = [&](std::vector<std::uint64_t> words) {
    Cpu cpu(raw, [&, at = std::size_t{0}](std::uint64_t& word) mutable {
      word = at < words.size() ? words[at] : random();
      ++at;
      return true;
    });
    const auto got = cpu.read(out, waker);
    return !got && got.error().fault;
  };
  EXPECT_FALSE(fails({a, 0, b, ones, a, a, b, b, a}));
  EXPECT_TRUE(fails({a, 0, 0}));
  EXPECT_TRUE(fails({a, 0, ones}));
  EXPECT_TRUE(fails({a, a, a}));
}

TEST_F(CpuTest, OneThatIsDryForAMomentIsWaitedFor) {
  int dry = 20;
  const auto got = read([&](std::uint64_t& word) {
    word = random();
    return dry-- <= 0;
  });
  ASSERT_TRUE(got);
  EXPECT_EQ(*got, out.size());
}

TEST_F(CpuTest, WhatCameBeforeItRanDryIsGiven) {
  int left = 3;
  const auto got = read([&](std::uint64_t& word) {
    word = random();
    return left-- > 0;
  });
  ASSERT_TRUE(got);
  EXPECT_EQ(*got, 24U);
}

TEST_F(CpuTest, OneThatIsDryForEverIsLostAndNoFault) {
  const auto got = read([](std::uint64_t&) { return false; });
  ASSERT_FALSE(got);
  EXPECT_FALSE(got.error().fault);
  EXPECT_NE(got.error().message.find("FAKE gave nothing"), std::string::npos);
}

TEST_F(CpuTest, AStopIsNotHeldUpByOneThatIsDry) {
  waker.wake();
  int asked = 0;
  const auto got = read([&](std::uint64_t&) {
    ++asked;
    return false;
  });
  ASSERT_TRUE(got);
  EXPECT_EQ(*got, 0U);
  EXPECT_EQ(asked, 1);
}

TEST_F(CpuTest, OneThatIsNotThereSaysWhereItWasLookedFor) {
  CpuInstruction absent = there;
  absent.has = [] { return false; };
  Cpu foreign(absent, absent.next);
  EXPECT_EQ(
      foreign.open(waker).error().message,
      std::string("FAKE is an instruction of fake; this is a program for ") + this_architecture());
  absent.architecture = this_architecture();
  Cpu lacking(absent, absent.next);
  EXPECT_EQ(lacking.open(waker).error().message, "this processor has no FAKE (a flag)");
}

// What this machine's processor has, it gives.
TEST_F(CpuTest, TheInstructionsOfThisProcessorGiveNoise) {
  for (const CpuInstruction* instruction : {&rdseed, &rdrand, &rndrrs, &darn}) {
    Cpu cpu(*instruction, instruction->next);
    EXPECT_EQ(cpu.open(waker).has_value(), instruction->has()) << instruction->name;
    if (!instruction->has()) continue;
    const auto got = cpu.read(out, waker);
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_GT(*got, 0U);
  }
}

}  // namespace
}  // namespace qanat::sources
