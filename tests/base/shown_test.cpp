#include "base/shown.h"

#include <gtest/gtest.h>

namespace qanat {
namespace {

TEST(Escaped, LettersOfAnyScriptStay) {
  EXPECT_EQ(escaped("file:/dev/tty \"q\" <b> a\\b"), "file:/dev/tty \"q\" <b> a\\b");
  EXPECT_EQ(escaped("caf\xc3\xa9 \xe6\xb0\xb4 \xd9\x82\xd9\x86\xd8\xa7\xd8\xa9"),
            "caf\xc3\xa9 \xe6\xb0\xb4 \xd9\x82\xd9\x86\xd8\xa7\xd8\xa9");
}

TEST(Escaped, WhatActsIsShown) {
  EXPECT_EQ(escaped("a\nb\r\t"), "a\\nb\\r\\t");
  EXPECT_EQ(escaped("\x1b[2J"), "\\u{1b}[2J");
  EXPECT_EQ(escaped("\x7f"), "\\u{7f}");
  EXPECT_EQ(escaped(std::string_view("\0", 1)), "\\u{0}");
  EXPECT_EQ(escaped("\xe2\x80\xae"
                    "abc"),
            "\\u{202e}abc")
      << "right-to-left override";
  EXPECT_EQ(escaped("\xe2\x81\xa7"), "\\u{2067}") << "right-to-left isolate";
  EXPECT_EQ(escaped("\xe2\x80\x8f\xe2\x80\x8b\xef\xbb\xbf"), "\\u{200f}\\u{200b}\\u{feff}");
  EXPECT_EQ(escaped("\xc2\x9b"), "\\u{9b}") << "CSI in one character";
  EXPECT_EQ(escaped("\xe2\x80\xa8"), "\\u{2028}") << "line separator";
  EXPECT_EQ(escaped("\xf3\xa0\x81\x81"), "\\u{e0041}") << "tags";
}

TEST(Escaped, BytesThatAreNoCharacterAreShown) {
  EXPECT_EQ(escaped("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(escaped("\xc0\x8a"), "\\xc0\\x8a") << "overlong";
  EXPECT_EQ(escaped("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "a surrogate";
  EXPECT_EQ(escaped("\xe2\x80"), "\\xe2\\x80") << "cut off";
  EXPECT_EQ(escaped("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80") << "beyond U+10FFFF";
}

TEST(JsonQuoted, KeepsWhatItCan) {
  EXPECT_EQ(json_quoted("a\"b\\c"), R"("a\"b\\c")");
  EXPECT_EQ(json_quoted("\n\x1f\x7f"), R"("\u000a\u001f\u007f")");
  EXPECT_EQ(json_quoted("\xe6\xb0\xb4"), "\"\xe6\xb0\xb4\"");
  EXPECT_EQ(json_quoted("x\xff"), R"("x\ufffd")");
}

}  // namespace
}  // namespace qanat
