#include "wire/netrng.h"

#include <gtest/gtest.h>

#include "support/noise.h"

namespace qanat::wire::netrng {
namespace {

using test::Samples;

Samples bytes_of(std::string_view text) {
  Samples out;
  for (const char c : text) out.push_back(static_cast<std::uint8_t>(c));
  return out;
}

Samples with_delimiter(std::string_view head) {
  Samples out = bytes_of(head);
  out.insert(out.end(), delimiter.begin(), delimiter.end());
  return out;
}

Samples reply(Bytes sample) {
  const auto head = encode_sample_head(sample.size());
  Samples out(head.begin(), head.end());
  out.insert(out.end(), sample.begin(), sample.end());
  out.insert(out.end(), delimiter.begin(), delimiter.end());
  return out;
}

// As msgpack 0.4 (raw) and msgpack 1.0 (str 8, bin) write them.
TEST(Netrng, ReadsAndWritesTheOldEncodingAndReadsTheNew) {
  Message message;
  std::size_t used = 0;
  const Samples ask = with_delimiter("\x81\xa3get\xa6sample");
  EXPECT_EQ(Samples(encode(Side::client, Verb::sample)), ask);
  EXPECT_EQ(decode(Side::client, ask, most_request, message, used), Status::complete);
  EXPECT_EQ(message.verb, Verb::sample);
  EXPECT_EQ(used, ask.size());
  EXPECT_EQ(Samples(encode(Side::server, Verb::heartbeat)),
            with_delimiter("\x81\xa4push\xa9heartbeat"));
  for (const std::string_view head : {std::string_view("\x81\xc4\x03get\xc4\x09heartbeat"),
                                      std::string_view("\x81\xd9\x03get\xd9\x09heartbeat"),
                                      std::string_view("\x81\xda\x00\x03get\xa9heartbeat", 17),
                                      std::string_view("\x82\xa1x\xa1y\xa3get\xa9heartbeat")}) {
    EXPECT_EQ(decode(Side::client, with_delimiter(head), most_request, message, used),
              Status::complete);
    EXPECT_EQ(message.verb, Verb::heartbeat);
  }
  const Samples sample = test::uniform(2048, 1);
  const Samples whole = reply(sample);
  EXPECT_EQ(whole.size(), sample_head_bytes + 2048 + delimiter.size());
  EXPECT_EQ(decode(Side::server, whole, most_reply, message, used), Status::complete);
  EXPECT_EQ(to_hex(message.sample), to_hex(sample));
}

TEST(Netrng, TheDelimiterMayStandInTheSample) {
  Samples sample = test::uniform(2048, 2);
  std::copy(delimiter.begin(), delimiter.end(), sample.begin() + 100);
  Message message;
  std::size_t used = 0;
  EXPECT_EQ(decode(Side::server, reply(sample), most_reply, message, used), Status::complete);
  EXPECT_EQ(message.sample.size(), 2048U);
}

TEST(Netrng, EveryCutIsIncompleteAndEverySpoiledByteHarmless) {
  const Samples whole = reply(test::uniform(300, 3));
  Message message;
  std::size_t used = 0;
  for (std::size_t n = 0; n < whole.size(); ++n) {
    EXPECT_EQ(decode(Side::server, Bytes(whole).first(n), most_reply, message, used),
              Status::incomplete)
        << n;
  }
  for (std::size_t i = 0; i < sample_head_bytes; ++i) {
    for (unsigned bit = 1; bit < 256; bit <<= 1U) {
      Samples spoiled = whole;
      spoiled[i] = static_cast<std::uint8_t>(spoiled[i] ^ bit);
      if (decode(Side::server, spoiled, most_reply, message, used) == Status::complete) {
        EXPECT_LE(used, spoiled.size());
        EXPECT_LE(message.sample.size(), 300U);
      }
    }
  }
}

TEST(Netrng, NonsenseIsMalformedAtOnce) {
  Message message;
  std::size_t used = 0;
  const auto status = [&](std::string_view text) {
    return decode(Side::client, bytes_of(text), most_request, message, used);
  };
  for (const char* text : {"GET / HTTP/1.1", "\x93", "\xc0", "\x81\xa3get\xa6sample--NETRNG-X",
                           "\x81\x01", "\x81\xa3get\xdb\xff\xff\xff\xff"}) {
    EXPECT_EQ(status(text), Status::malformed) << text;
  }
  for (const std::string_view head :
       {std::string_view("\x80"), std::string_view("\x81\xa3get\xa4more"),
        std::string_view("\x81\xa4push\xa6sample")}) {
    EXPECT_EQ(decode(Side::client, with_delimiter(head), most_request, message, used),
              Status::malformed)
        << "a map that asks nothing";
  }
  EXPECT_EQ(
      decode(Side::server, with_delimiter("\x81\xa4push\xa6sample"), most_reply, message, used),
      Status::malformed)
      << "a sample without one";
  // A request that never ends holds no more than its buffer.
  Samples endless = bytes_of("\x81\xa3get\xda\x01\x00");
  endless.resize(most_request, 'x');
  EXPECT_EQ(decode(Side::client, endless, most_request, message, used), Status::malformed);
}

}  // namespace
}  // namespace qanat::wire::netrng
