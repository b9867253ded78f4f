#include <fmt/core.h>
#include <gtest/gtest.h>

#include "wire/path.h"

namespace qanat::wire {
namespace {

TEST(Path, IsWrittenAndRead) {
  const Path path{"0123456789abcdef", "fedcba9876543210"};
  EXPECT_EQ(encode(path), "0123456789abcdef, fedcba9876543210");
  EXPECT_EQ(decode_path(encode(path)), path);
  EXPECT_EQ(decode_path(""), Path());
  EXPECT_EQ(decode_path("0123456789abcdef,fedcba9876543210"), path);
}

TEST(Path, RefusesWhatIsNone) {
  for (const char* text :
       {"0", "0123456789abcde", "0123456789ABCDEF", "0123456789abcdef,", "0123456789abcdef;",
        ",0123456789abcdef", "0123456789abcdef 0", "0123456789abcdef0", "0123456", "node, other"}) {
    EXPECT_FALSE(decode_path(text)) << text;
  }
}

// Ids of so many nodes.
Path nodes(std::size_t count) {
  Path path;
  for (std::size_t i = 1; i <= count; ++i) {
    path.push_back(fmt::format("{:016x}", i * 0x9e3779b97f4a7c15ULL));
  }
  return path;
}

TEST(Path, OfManyNodesNamesAllOfThemAndOfTooManyTheNearest) {
  for (const std::size_t count : {1U, 256U, 257U, 1000U, 1536U, 1537U, 5000U}) {
    const Path path = nodes(count);
    const std::string text = encode(path);
    EXPECT_LT(text.size(), 15000U) << "with the rest of a header, less than the 16 KiB of a client";
    const auto read = decode_path(text);
    ASSERT_TRUE(read) << count;
    EXPECT_EQ(read->size(), std::min(count, most_path_nodes));
    EXPECT_EQ(text.ends_with(",*"), count > most_path_nodes);
    for (std::size_t i = 0; i < std::min(count, most_path_nodes); ++i) {
      EXPECT_TRUE(leads_through(*read, path[i]));
    }
    EXPECT_FALSE(leads_through(*read, "0123456789abcdef"));
    // What a node below sends on is read there.
    EXPECT_TRUE(decode_path(encode(*read)));
  }
  EXPECT_EQ(*decode_path(encode(nodes(256))), nodes(256)) << "in full";
  std::string endless = encode(nodes(1536));
  EXPECT_FALSE(decode_path(endless + ",01234567"));
  EXPECT_TRUE(decode_path(endless + ",*"));
  EXPECT_FALSE(decode_path("*"));
  EXPECT_FALSE(decode_path("*,01234567"));
}

TEST(Path, IsFoundAmongTheExtensionsOfAChunk) {
  EXPECT_EQ(path_of_chunk(";path=\"0123456789abcdef\""), "0123456789abcdef");
  EXPECT_EQ(path_of_chunk(";a=b;path=\"\";c"), "");
  for (const char* text : {"", ";path", ";path=x", ";path=\"x", "path=\"x\""}) {
    EXPECT_FALSE(path_of_chunk(text)) << text;
  }
}

}  // namespace
}  // namespace qanat::wire
