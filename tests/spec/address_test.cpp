#include <gtest/gtest.h>

#include "spec/address.h"

namespace qanat::spec {
namespace {

TEST(VsockAddress, IsACidAndAPort) {
  EXPECT_EQ(parse_vsock_address("2:774"), (VsockAddress{2, 774}));
  EXPECT_EQ(parse_vsock_address("2:774")->text(), "vsock:2:774");
  for (const char* bad : {"", "2", "2:", ":774", "2:774:1", "a:1", "2:0", "-1:5", "2:4294967295",
                          "4294967295:1", "4294967296:1", "2:1 ", "+2:1"}) {
    EXPECT_FALSE(parse_vsock_address(bad)) << bad;
  }
}

TEST(Address, FormsAndFaults) {
  EXPECT_EQ(parse_address("//127.0.0.1:7748")->port, 7748);
  EXPECT_EQ(parse_address("[::1]:80")->host, "::1");
  EXPECT_EQ(parse_address("[::1]:80")->text(), "[::1]:80");
  EXPECT_EQ(parse_address("[fe80::1%eth0]:80")->host, "fe80::1%eth0");
  EXPECT_EQ(parse_address("hub.example", 7749)->port, 7749);
  EXPECT_EQ(parse_address("127.0.0.1:0")->port, 0);
  for (const char* bad : {"[a[b]:1", "a]:1", "[[]:1", "", "x", ":80", "x:", "x:65536", "x:-1",
                          "x:80x", "::1:80", "[::1", "a b:1", "u@h:1", "[::1]x80", "[host]:1",
                          "[_qanat._tcp.::1]", "[::1%]:1", "[]:1"}) {
    EXPECT_FALSE(parse_address(bad)) << bad;
  }
  EXPECT_TRUE(is_loopback("127.1.2.3"));
  EXPECT_FALSE(is_loopback("127.0.0.example"));
  EXPECT_FALSE(is_loopback("127.evil.org.x"));
  EXPECT_FALSE(is_loopback("0.0.0.0"));
}

TEST(Address, AServiceHasAHostAndNoPort) {
  const auto service = parse_address("//_qanat._tcp.example.org", 7749);
  ASSERT_TRUE(service);
  EXPECT_EQ(service->text(), "_qanat._tcp.example.org");
  EXPECT_EQ(*parse_address(service->text()), *service);
  EXPECT_TRUE(is_service_name(service->host));
  EXPECT_FALSE(parse_address("_qanat._tcp.example.org:7749"));
  EXPECT_FALSE(is_service_name("_qanat._tcp."));
  EXPECT_FALSE(is_service_name("example.org"));
}

}  // namespace
}  // namespace qanat::spec
