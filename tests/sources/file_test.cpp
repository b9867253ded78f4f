#include <gtest/gtest.h>

#include <fstream>

#include "sources/file.h"
#include "sources/source_test.h"
#include "support/eventually.h"
#include "support/noise.h"

namespace qanat::sources {
namespace {

using test::eventually;

TEST_F(SourceTest, AFileIsReadOnceAndNeverFromItsStartAgain) {
  write_file(path("file"), test::uniform(4096, 1));
  auto source = start("file:" + path("file") + "?h=8");
  EXPECT_TRUE(reaches(*source, "gone"));
  EXPECT_EQ(source->report().bytes, 4096U);
  // It grows: only what is new is read.
  std::ofstream(path("file"), std::ios::app | std::ios::binary) << std::string(100, 'x');
  EXPECT_TRUE(eventually([&] { return source->report().bytes == 4196U; }));
}

TEST_F(SourceTest, WhatARegularFileStillHoldsAtARenewalIsPassedOver) {
  write_file(path("file"), test::uniform(64 << 10, 1));
  File file(path("file"));
  const Waker waker;
  ASSERT_TRUE(file.open(waker));
  test::Samples out(4096);
  ASSERT_EQ(*file.read(out, waker), out.size());
  // A copy of this machine has the rest, too.
  EXPECT_TRUE(file.renew());
  EXPECT_FALSE(file.read(out, waker));
  EXPECT_FALSE(file.open(waker)) << "nor when it is opened again";
  std::ofstream(path("file"), std::ios::app | std::ios::binary) << std::string(100, 'x');
  ASSERT_TRUE(file.open(waker));
  EXPECT_EQ(*file.read(out, waker), 100U) << "what came after it is new";
}

}  // namespace
}  // namespace qanat::sources
