#include "sources/upstream/kept_join_strings.h"

#include <gtest/gtest.h>

namespace qanat::sources {
namespace {

std::string join_string(const std::string& name) {
  const SecretBytes key(32);
  return encode(wire::JoinString{name, {"hub.example", 7740}, {}, SecretBytes(key.view())});
}

TEST(KeptJoinStrings, ATextHasTheirNamesInstead) {
  const std::string join = join_string("leaf");
  const std::string text = keep_join_strings("source = '" + join + "' # " + join);
  EXPECT_EQ(text.find("qanat1."), std::string::npos) << text;
  const std::string name = text.substr(10, text.find('\'', 10) - 10);
  EXPECT_EQ(text, "source = '" + name + "' # " + name) << "the same string has the same name";
  EXPECT_EQ(decode_join_string(name).value().name, "leaf");
  EXPECT_EQ(keep_join_strings(text), text);
}

TEST(KeptJoinStrings, OneThatWasSetAsideComesBack) {
  const std::string join = join_string("aside");
  const std::string argument = set_join_strings_aside("--source=" + join);
  EXPECT_EQ(argument.find("qanat1."), std::string::npos) << argument;
  const std::string text = keep_join_strings(argument);
  EXPECT_EQ(text, keep_join_strings("--source=" + join)) << "it is the same as one from a file";
  EXPECT_EQ(keep_join_strings(argument), text) << "more than once";
  EXPECT_EQ(decode_join_string(text.substr(9)).value().name, "aside");
}

TEST(KeptJoinStrings, ADamagedOneStaysForWhoeverSaysWhatIsWrong) {
  const std::string damaged = join_string("leaf").substr(0, 60);
  EXPECT_EQ(keep_join_strings(damaged), damaged);
  EXPECT_EQ(keep_join_strings(set_join_strings_aside(damaged)), damaged);
}

TEST(KeptJoinStrings, OfTwoNoneIsTaken) {
  const std::string one = join_string("one");
  const std::string two = one + " " + join_string("two");
  EXPECT_FALSE(holds_several(one));
  EXPECT_FALSE(holds_several(keep_join_strings(std::string(one))));
  for (const std::string& text : {two, one + "\n" + one + "\n", set_join_strings_aside(two)}) {
    EXPECT_TRUE(holds_several(text));
    const std::string kept = keep_join_strings(std::string(text));
    EXPECT_TRUE(holds_several(kept)) << kept;
    const auto none = decode_join_string(kept);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().message, "two join strings; put each into a file of its own");
  }
}

TEST(KeptJoinStrings, NamesThatNobodyGaveAreNoneOfOurs) {
  for (const std::string text : {"qanat1-given.77", "qanat1-given.x", "qanat1-given.",
                                 "qanat1-given.99999999999999999999999"}) {
    EXPECT_EQ(keep_join_strings(text), text);
  }
  EXPECT_FALSE(decode_join_string("qanat1-kept.77"));
  EXPECT_FALSE(decode_join_string("qanat1-kept."));
}

TEST(KeptJoinStrings, BlanksAroundOneDoNoHarm) {
  wire::JoinString join;
  join.name = "router";
  join.address = {"hub.example", 7749};
  join.key = SecretBytes(32);
  const std::string text = wire::encode(join);
  const std::string kept = keep_join_strings(std::string(text));
  for (const std::string& given : {" " + text + " \n", text + "\n"}) {
    EXPECT_EQ(keep_join_strings(std::string(given)), kept);
    EXPECT_EQ(keep_join_strings(set_join_strings_aside(given)), kept);
  }
  EXPECT_EQ(keep_join_strings("--source=" + text + " "), "--source=" + kept);
  const auto with_option = decode_join_string(kept + "?x=1");
  ASSERT_FALSE(with_option);
  EXPECT_EQ(with_option.error().message.find("qanat1-"), std::string::npos);
}

}  // namespace
}  // namespace qanat::sources
