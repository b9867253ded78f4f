#include "observe/service_text.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

namespace qanat::observe {
namespace {

SourceReport healthy_source(const std::string& name) {
  SourceReport source;
  source.name = name;
  source.state = entropy::SourceState::healthy;
  return source;
}

NodeReport busy_hub() {
  NodeReport report;
  report.role = "hub";
  report.ready = true;
  report.sources = {healthy_source("hwrng"), healthy_source("jitter")};
  report.clients_total = 3;
  report.dispenser.target = 1 << 20;
  report.dispenser.fill = 64 << 10;
  report.dispenser.supply = 9.7 * 1024;
  return report;
}

TEST(ServiceText, SaysWhatAHubHasAndGives) {
  EXPECT_EQ(service_text(busy_hub()), "2 sources, 3 clients, reserve 64 KiB, 9.7 KiB/s");
}

TEST(ServiceText, SaysWhatIsWrong) {
  NodeReport report = busy_hub();
  report.clients_total = 1;
  report.uptime = 1000;
  report.sources[0].state = entropy::SourceState::failed;
  report.sources[0].detail = "stuck at 0x00";
  const std::string text = service_text(report);
  EXPECT_TRUE(text.starts_with("1 of 2 sources, 1 client, reserve 64 KiB, 9.7 KiB/s. ")) << text;
  EXPECT_NE(text.find("stuck at 0x00"), std::string::npos) << text;
  EXPECT_EQ(text.find('\n'), std::string::npos);
}

NodeReport feed_of(const std::string& upstream) {
  NodeReport report;
  report.role = "feed";
  report.ready = true;
  report.sources = {healthy_source(upstream)};
  OutletReport kernel;
  kernel.name = "kernel";
  kernel.deliveries = 1;
  kernel.schedule = OutletReport::Schedule{.last = 1796061792, .next = 1796061850};
  report.outlets = {kernel};
  return report;
}

TEST(ServiceText, SaysWhenAndFromWhomAFeedWasFed) {
  ::setenv("TZ", "UTC", 1);  // NOLINT(concurrency-mt-unsafe): one thread
  ::tzset();
  EXPECT_EQ(service_text(feed_of("https://hub.example:7749 as router")),
            "last fed 2026-11-30 18:03:12 from hub.example:7749, next 18:04:10");
  EXPECT_EQ(service_text(feed_of("2 of https://a:7749 as x, https://b:7749 as y")),
            "last fed 2026-11-30 18:03:12 from a:7749, b:7749, next 18:04:10");
  EXPECT_EQ(
      service_text(feed_of("vmport:/dev/virtio-ports/org.qanat.0")),
      "last fed 2026-11-30 18:03:12 from vmport:/dev/virtio-ports/org.qanat.0, next 18:04:10");
  NodeReport report = feed_of("https://hub.example:7749 as router");
  report.ready = false;
  report.outlets[0].schedule = OutletReport::Schedule{};
  EXPECT_TRUE(service_text(report).starts_with("not fed yet. ")) << service_text(report);
}

}  // namespace
}  // namespace qanat::observe
