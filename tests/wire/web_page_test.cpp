#include <gtest/gtest.h>

#include "wire/web_page.h"

namespace qanat::wire {
namespace {

TEST(WebPage, OnlyAHostThatNobodyElseCanNameIsOurs) {
  for (const char* host : {"127.0.0.1", "127.0.0.1:7748", "10.0.0.7:80", "[::1]:7748", "[::1]",
                           "localhost", "LocalHost:7748", "hub.lan:1", "HUB.lan"}) {
    EXPECT_TRUE(is_own_host(host, {"hub.lan"})) << host;
  }
  for (const char* host :
       {"", "evil.example", "evil.example:7748", "127.0.0.1.evil.example", "127.0.0.256", "127.0.0",
        "1.2.3.4.5", "1.2.3.", "localhost.evil.example", "localhost:x", "[::1", "::1", "[evil]",
        "[]", "hub.lan.evil.example", "127.0.0.1@evil.example", "0x7f.0.0.1", "a]:1", ":7748"}) {
    EXPECT_FALSE(is_own_host(host, {"hub.lan"})) << host;
  }
}

TEST(WebPage, OnlyThisServersPagesAreNotFromAnotherSite) {
  constexpr const char* host = "localhost:7748";
  EXPECT_FALSE(from_another_site("", "", host));
  EXPECT_FALSE(from_another_site("none", "", host));
  EXPECT_FALSE(from_another_site("same-origin", "http://localhost:7748", host));
  EXPECT_FALSE(from_another_site("", "https://LOCALHOST:7748", host));
  for (const char* site : {"cross-site", "same-site", "other", "Same-Origin"}) {
    EXPECT_TRUE(from_another_site(site, "", host)) << site;
  }
  for (const char* origin : {"null", "http://evil.example", "http://localhost:1", "localhost:7748",
                             "http://localhost:7748.evil.example"}) {
    EXPECT_TRUE(from_another_site("", origin, host)) << origin;
  }
}

}  // namespace
}  // namespace qanat::wire
