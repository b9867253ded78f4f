#include "wire/http_request.h"

#include <gtest/gtest.h>

namespace qanat::wire {
namespace {

TEST(HttpRequest, IsToldFromARecordOfTls) {
  for (const char* first : {"GET /", "POST", "HEAD /x", "DELETE"}) {
    EXPECT_TRUE(begins_request(first)) << first;
  }
  for (const std::string_view first : {"", "G", "GET", "get /", "\x16\x03\x01\x02"}) {
    EXPECT_FALSE(begins_request(first));
  }
}

}  // namespace
}  // namespace qanat::wire
