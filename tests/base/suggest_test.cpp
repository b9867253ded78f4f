#include "base/suggest.h"

#include <gtest/gtest.h>

#include <array>

namespace qanat {
namespace {

constexpr std::array<std::string_view, 8> commands{"serve",   "seed", "sources", "status",
                                                   "clients", "top",  "check",   "--outlet"};

TEST(Suggest, AWordWithAFewWrongLettersIsRecognised) {
  EXPECT_EQ(nearest_word("sever", commands), "serve");
  EXPECT_EQ(nearest_word("sorces", commands), "sources");
  EXPECT_EQ(nearest_word("staus", commands), "status");
  EXPECT_EQ(nearest_word("tpo", commands), "top");
  EXPECT_EQ(nearest_word("STATUS", commands), "status");
  EXPECT_EQ(nearest_word("client", commands), "clients");
  EXPECT_EQ(nearest_word("--outlets", commands), "--outlet");
}

TEST(Suggest, TheOnlyWordThatBeginsSoIsMeant) {
  EXPECT_EQ(nearest_word("chec", commands), "check");
  EXPECT_EQ(nearest_word("sour", commands), "sources");
}

TEST(Suggest, AnotherWordIsNotTakenForOne) {
  EXPECT_EQ(nearest_word("nonsense", commands), "");
  EXPECT_EQ(nearest_word("", commands), "");
  EXPECT_EQ(nearest_word("x", commands), "");
  EXPECT_EQ(nearest_word(std::string(1 << 20, 's'), commands), "");
  EXPECT_EQ(nearest_word("serve", {}), "");
  // Short ones differ altogether.
  constexpr std::array<std::string_view, 2> grades{"h", "rate"};
  EXPECT_EQ(nearest_word("x", grades), "");
}

TEST(Suggest, OfAShortWordTheFirstLetterIsSeldomWrong) {
  constexpr std::array<std::string_view, 7> known{"-h",     "--help", "--rate", "top",
                                                  "status", "zsh",    "--json"};
  for (const char* other : {"-j", "-c", "-r", "--h", "--name", "stop", "ksh"}) {
    EXPECT_EQ(nearest_word(other, known), "") << other;
  }
  EXPECT_EQ(nearest_word("otp", known), "top") << "changed places";
  EXPECT_EQ(nearest_word("--jsn", known), "--json");
  EXPECT_EQ(nearest_word("--hlep", known), "--help");
  EXPECT_EQ(nearest_word("--ratee", known), "--rate");
}

TEST(Suggest, TheQuestionStandsBehindAMessage) {
  EXPECT_EQ(did_you_mean("sever", commands), "; did you mean 'serve'?");
  EXPECT_EQ(did_you_mean("nonsense", commands), "");
}

TEST(Suggest, AListIsTakenApart) {
  EXPECT_EQ(words_of("rate burst  weight"),
            (std::vector<std::string_view>{"rate", "burst", "weight"}));
  EXPECT_EQ(words_of("full, drbg"), (std::vector<std::string_view>{"full", "drbg"}));
  EXPECT_TRUE(words_of("").empty());
}

}  // namespace
}  // namespace qanat
