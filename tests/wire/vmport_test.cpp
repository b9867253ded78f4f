#include "wire/vmport.h"

#include <gtest/gtest.h>

#include "support/noise.h"

namespace qanat::wire::vmport {
namespace {

using test::Samples;

Samples host_frame(Kind kind, Bytes seed, std::uint32_t id = 0, std::uint32_t wait = 0) {
  Samples out(host_frame_bytes);
  encode(HostFrame{kind, true, id, wait, seed}, out);
  return out;
}

void feed(FrameReader& reader, Bytes bytes) {
  std::copy(bytes.begin(), bytes.end(), reader.room().begin());
  reader.received(bytes.size());
}

TEST(Vmport, WritesWhatItReads) {
  const Samples seed = test::uniform(64, 1);
  const Samples frame = host_frame(Kind::answer, seed, 7, 0);
  const auto got = decode_host(frame);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->kind, Kind::answer);
  EXPECT_TRUE(got->full);
  EXPECT_EQ(got->id, 7U);
  EXPECT_EQ(to_hex(got->seed), to_hex(seed));
  const auto refusal = decode_host(host_frame(Kind::refusal, {}, 9, 30));
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->wait, 30U);
  EXPECT_TRUE(refusal->seed.empty());
  const auto asked = decode_guest(encode(GuestFrame{0xdeadbeef, 48, true}));
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->id, 0xdeadbeefU);
  EXPECT_EQ(asked->bytes, 48U);
  EXPECT_TRUE(asked->full_only);
}

TEST(Vmport, EverySpoiledBitIsSeenAndEveryImpossibleFrameRefused) {
  const Samples frame = host_frame(Kind::fresh, test::uniform(64, 2));
  const auto question = encode(GuestFrame{1, 64, false});
  for (std::size_t i = 0; i < 8 * frame.size(); ++i) {
    Samples spoiled = frame;
    spoiled[i / 8] = static_cast<std::uint8_t>(spoiled[i / 8] ^ 1U << i % 8);
    EXPECT_FALSE(decode_host(spoiled)) << i;
  }
  for (std::size_t i = 0; i < 8 * question.size(); ++i) {
    auto spoiled = question;
    spoiled[i / 8] = static_cast<std::uint8_t>(spoiled[i / 8] ^ 1U << i % 8);
    EXPECT_FALSE(decode_guest(spoiled)) << i;
  }
  EXPECT_FALSE(decode_host(host_frame(Kind::fresh, {})));
  EXPECT_FALSE(decode_host(host_frame(Kind::refusal, test::uniform(8, 3))));
  EXPECT_FALSE(decode_host(host_frame(Kind::request, test::uniform(8, 3))));
  EXPECT_FALSE(decode_guest(encode(GuestFrame{1, 0, false})));
  EXPECT_FALSE(decode_guest(encode(GuestFrame{1, 65, false})));
  EXPECT_FALSE(decode_host(Bytes(frame).first(100)));
}

// A guest that had read so many bytes of a frame when its snapshot was taken, and whose clone gets
// a fresh one: the fresh one is found as soon as its last byte is there.
TEST(Vmport, AFrameIsFoundAtOnceAfterAnyPartOfAnother) {
  const Samples old = host_frame(Kind::answer, test::uniform(64, 4));
  const Samples fresh = host_frame(Kind::fresh, test::uniform(64, 5));
  for (std::size_t part = 0; part < old.size(); ++part) {
    FrameReader reader(host_frame_bytes);
    feed(reader, Bytes(old).first(part));
    EXPECT_TRUE(reader.next().empty());
    feed(reader, Bytes(fresh).first(fresh.size() - 1));
    EXPECT_TRUE(reader.next().empty()) << part;
    feed(reader, Bytes(fresh).last(1));
    EXPECT_EQ(to_hex(reader.next()), to_hex(fresh)) << part;
    EXPECT_EQ(reader.skipped(), part);
    EXPECT_TRUE(reader.next().empty());
    EXPECT_EQ(reader.room().size(), 2 * host_frame_bytes);
  }
}

// The other way round: the host of a clone hears the rest of a question that was begun before.
TEST(Vmport, AFrameIsFoundAfterTheRestOfAnotherByteByByte) {
  const auto question = encode(GuestFrame{5, 64, false});
  for (std::size_t part = 1; part <= question.size(); ++part) {
    FrameReader reader(guest_frame_bytes);
    Samples stream(question.begin() + static_cast<std::ptrdiff_t>(part), question.end());
    stream.insert(stream.end(), question.begin(), question.end());
    std::size_t found = 0;
    for (const std::uint8_t byte : stream) {
      feed(reader, Bytes(&byte, 1));
      found += reader.next().empty() ? 0 : 1;
    }
    EXPECT_EQ(found, 1U) << part;
  }
}

TEST(Vmport, NoiseIsNoFrameAndFillsNoBuffer) {
  FrameReader reader(host_frame_bytes);
  std::uint64_t total = 0;
  for (std::uint64_t i = 0; i < 200; ++i) {
    const std::size_t room = reader.room().size();
    ASSERT_GT(room, 0U);
    feed(reader, test::uniform(room, i));
    total += room;
    EXPECT_TRUE(reader.next().empty());
  }
  EXPECT_GE(reader.skipped() + host_frame_bytes, total);
  const Samples frame = host_frame(Kind::fresh, test::uniform(32, 1));
  feed(reader, frame);
  EXPECT_EQ(reader.next().size(), host_frame_bytes);
}

}  // namespace
}  // namespace qanat::wire::vmport
