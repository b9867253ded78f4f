#include "peers/xenstore.h"

#include <gtest/gtest.h>

#include "support/eventually.h"
#include "support/fake_xenstored.h"
#include "support/temporary_directory.h"

namespace qanat::peers {
namespace {

using wire::xenstore::Kind;

// Somebody wants a seed at once, or the machine is a copy now, while a reply is awaited.
TEST(XenstoreLinkTest, AWakeDuringARequestIsHeardByTheNextWait) {
  const test::TemporaryDirectory directory;
  test::FakeXenstored xen(directory.path() + "/socket");
  xen.write("/local/domain", "");
  const Waker waker;
  const Clock clock;
  XenstoreLink link(
      waker, [] { return false; }, clock, [](const wire::xenstore::Event&) {});
  ASSERT_TRUE(link.open(directory.path() + "/socket"));
  xen.before(Kind::directory, [&] {
    waker.wake();
    EXPECT_TRUE(test::eventually([&] { return !waker.is_woken(); })) << "the request sleeps on";
  });
  std::vector<std::string> names;
  ASSERT_TRUE(link.list("/local/domain", names));
  const TimePoint began = clock.now();
  ASSERT_TRUE(link.wait(std::chrono::seconds(60)));
  EXPECT_LT(clock.now() - began, std::chrono::seconds(30)) << "of 60: it was woken before";
}

}  // namespace
}  // namespace qanat::peers
