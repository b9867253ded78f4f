#include "entropy/reserve.h"

#include <gtest/gtest.h>

#include <cmath>
#include <deque>

#include "support/noise.h"

namespace qanat::entropy {
namespace {

TEST(Reserve, GivesEachByteOnceInOrderAndWipesIt) {
  // Against a plain queue, over random sizes that wrap around the ring.
  std::mt19937_64 random(1);
  Reserve reserve(1000);
  std::deque<std::uint8_t> model;
  std::deque<SourceId> owners;
  for (int step = 0; step < 5000; ++step) {
    if (random() % 2 == 0) {
      const auto bytes = test::uniform(random() % 400, random());
      const auto owner = static_cast<SourceId>(random() % 3);
      const std::size_t kept = reserve.put(owner, bytes);
      EXPECT_EQ(kept, std::min(bytes.size(), 1000 - model.size()));
      model.insert(model.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(kept));
      owners.insert(owners.end(), kept, owner);
    } else {
      test::Samples out(random() % (model.size() + 1));
      std::size_t runs = 0;
      for (const entropy::Run& run : reserve.take(out)) {
        for (std::size_t i = 0; i < run.bytes; ++i) {
          EXPECT_EQ(owners.front(), run.source);
          owners.pop_front();
        }
        runs += run.bytes;
      }
      EXPECT_EQ(runs, out.size());
      EXPECT_TRUE(std::equal(out.begin(), out.end(), model.begin()));
      model.erase(model.begin(), model.begin() + static_cast<std::ptrdiff_t>(out.size()));
    }
    ASSERT_EQ(reserve.fill(), model.size());
  }
}

TEST(Reserve, DiscardSaysWhoseItWas) {
  Reserve reserve(100);
  reserve.put(3, test::uniform(10, 1));
  reserve.put(4, test::uniform(20, 2));
  std::vector<entropy::Run> runs;
  reserve.discard(30, [&](const entropy::Run& run) { runs.push_back(run); });
  ASSERT_EQ(runs.size(), 2U);
  EXPECT_EQ(runs[0].bytes, 10U);
  EXPECT_EQ(runs[1].source, 4U);
  EXPECT_EQ(reserve.fill(), 0U);
}

}  // namespace
}  // namespace qanat::entropy
