#include "wire/xenstore.h"

#include <gtest/gtest.h>

#include "support/noise.h"

namespace qanat::wire::xenstore {
namespace {

using test::Samples;

Samples message(Kind kind, std::string_view payload, std::uint32_t request = 7,
                std::uint32_t transaction = 0) {
  Samples out(most_message);
  const Bytes part = as_bytes(payload);
  out.resize(encode({kind, request, transaction, {}}, std::span(&part, 1), out));
  return out;
}

// As xenstore-read of Debian's xenstore-utils 4.17 asks for /local.
TEST(Xenstore, WritesWhatXenstoredReads) {
  Samples out(most_message);
  const std::array parts{as_bytes("/local"), as_bytes(std::string_view("\0", 1))};
  out.resize(encode({Kind::read, 0, 0, {}}, parts, out));
  EXPECT_EQ(to_hex(out),
            "02000000"
            "00000000"
            "00000000"
            "07000000"
            "2f6c6f63616c00");
  Samples room(most_message);
  const Samples long_one(most_payload, 'x');
  const std::array fits{Bytes(long_one)};
  EXPECT_EQ(encode({Kind::write, 1, 2, {}}, fits, room), most_message);
  const std::array too_long{Bytes(long_one), as_bytes("x")};
  EXPECT_EQ(encode({Kind::write, 1, 2, {}}, too_long, room), 0U);
}

TEST(Xenstore, ReadsAMessageAndNoMoreOfItThanThereIs) {
  Samples in = message(Kind::event, std::string_view("@introduceDomain\0token\0", 23), 9, 3);
  const std::size_t whole = in.size();
  in.push_back(0xff);
  Message out;
  std::size_t used = 0;
  for (std::size_t part = 0; part < whole; ++part) {
    EXPECT_EQ(decode(Bytes(in).first(part), out, used), Status::incomplete) << part;
  }
  ASSERT_EQ(decode(in, out, used), Status::complete);
  EXPECT_EQ(used, whole);
  EXPECT_EQ(out.kind, Kind::event);
  EXPECT_EQ(out.request, 9U);
  EXPECT_EQ(out.transaction, 3U);
  const auto event = decode_event(out.payload);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->path, "@introduceDomain");
  EXPECT_EQ(event->token, "token");
  EXPECT_FALSE(decode_event(as_bytes(std::string_view("path\0token", 10))));
}

TEST(Xenstore, ALengthBeyondTheLimitIsNoMessage) {
  for (const std::size_t length : {most_payload + 1, std::size_t{0xffffffff}}) {
    Samples in(header_bytes);
    for (std::size_t byte = 0; byte < 4; ++byte) {
      in[12 + byte] = static_cast<std::uint8_t>(length >> 8 * byte);
    }
    Message out;
    std::size_t used = 0;
    EXPECT_EQ(decode(in, out, used), Status::malformed) << length;
  }
}

TEST(Xenstore, NamesARefusalOnlyAsItIsKnown) {
  EXPECT_EQ(refusal_of(as_bytes(std::string_view("EACCES\0", 7))), "EACCES");
  EXPECT_EQ(refusal_of(as_bytes("EQUOTA")), "EQUOTA");
  EXPECT_EQ(refusal_of(as_bytes("E<script>")), "other");
  EXPECT_EQ(refusal_of({}), "other");
  EXPECT_EQ(transaction_of(as_bytes(std::string_view("12\0", 3))), 12U);
  for (const char* none : {"", "0", "-1", "x", "4294967296"}) {
    EXPECT_FALSE(transaction_of(as_bytes(none))) << none;
  }
}

TEST(Xenstore, ReadsALongDirectoryInParts) {
  const auto first = decode_directory_part(as_bytes(std::string_view("55\0001\0002\000", 7)));
  ASSERT_TRUE(first);
  EXPECT_EQ(first->generation, "55");
  EXPECT_EQ(first->names.size(), 4U);
  EXPECT_FALSE(first->last);
  const auto last = decode_directory_part(as_bytes(std::string_view("55\0003\000\000", 6)));
  ASSERT_TRUE(last);
  EXPECT_TRUE(last->last);
  EXPECT_EQ(last->names.size(), 2U);
  const auto empty = decode_directory_part(as_bytes(std::string_view("55\000\000", 4)));
  ASSERT_TRUE(empty && empty->last);
  EXPECT_TRUE(empty->names.empty());
  for (const std::string_view none : {std::string_view(""), std::string_view("55"),
                                      std::string_view("55\0", 3), std::string_view("55\0x", 4)}) {
    EXPECT_FALSE(decode_directory_part(as_bytes(none)));
  }
}

TEST(Xenstore, ASeedIsHexOfARightLength) {
  Samples out(most_seed);
  EXPECT_EQ(read_seed("000102030405060708090a0b0c0d0e0f", out), 16U);
  EXPECT_EQ(out[15], 15);
  EXPECT_EQ(read_seed("\n 000102030405060708090A0B0C0D0E0F\r\n", out), 16U) << "as echo writes it";
  EXPECT_EQ(read_seed(std::string(128, 'a'), out), 64U);
  for (const std::string& none :
       {std::string(), std::string(" \n"), std::string(30, 'a'), std::string(33, 'a'),
        std::string(130, 'a'), std::string(4096, 'a'), std::string(32, 'g')}) {
    EXPECT_FALSE(read_seed(none, out)) << none;
  }
}

TEST(Xenstore, AGenerationTellsItsSeedsGrade) {
  EXPECT_EQ(generation_path("data/random-seed"), "data/random-seed-generation");
  for (const bool full : {true, false}) {
    const std::string text = to_text({"0123456789abcdef", full});
    EXPECT_EQ(read_generation(text).id, "0123456789abcdef");
    EXPECT_EQ(read_generation(text).full, full);
  }
  EXPECT_EQ(read_generation("").id, "");
  EXPECT_EQ(read_generation(std::string(4000, 'x')).id.size(), 16U);
  EXPECT_EQ(permissions_for(5, 'b'), std::string("n0\0b5\0", 6));
}

TEST(Xenstore, KnowsAPath) {
  for (const char* path : {"data/random-seed", "/local/domain/5/data/random-seed", "@x", "a"}) {
    EXPECT_TRUE(is_path(path)) << path;
  }
  for (const std::string& none :
       {std::string(), std::string("/"), std::string("a//b"), std::string("a/"), std::string("a b"),
        std::string("a/*"), std::string("a?b"), std::string(3000, 'a')}) {
    EXPECT_FALSE(is_path(none)) << none;
  }
  EXPECT_TRUE(is_path("/local/domain/*/x", true));
  EXPECT_FALSE(is_path("/local/domain/5*/x", true));
}

}  // namespace
}  // namespace qanat::wire::xenstore
