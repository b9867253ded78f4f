#include <gtest/gtest.h>

#include "wire/http_api.h"

namespace qanat::wire {
namespace {

using namespace std::chrono_literals;

unsigned status_of(std::string_view method, std::string_view target, std::string_view body = "") {
  const auto parsed = parse_api_request(method, target, body, {});
  return parsed ? 200 : parsed.error().status;
}

TEST(HttpApi, RandomWithItsDefaultsAndParameters) {
  const auto plain = parse_api_request("GET", "/v1/random", "", {});
  ASSERT_TRUE(plain);
  EXPECT_EQ(std::get<RandomRequest>(*plain).bytes, 32U);
  EXPECT_EQ(std::get<RandomRequest>(*plain).grade, spec::Grade::drbg);
  const auto full =
      parse_api_request("GET", "/v1/random?bytes=4KiB&grade=full&format=hex&wait=500ms", "", {});
  ASSERT_TRUE(full);
  const auto& request = std::get<RandomRequest>(*full);
  EXPECT_EQ(request.bytes, 4096U);
  EXPECT_EQ(request.grade, spec::Grade::full);
  EXPECT_EQ(request.format, Format::hex);
  EXPECT_EQ(request.wait, Duration(500ms));
}

TEST(HttpApi, RefusesWithTheRightStatusAndAHint) {
  for (const auto& [target, status] : std::initializer_list<std::pair<const char*, unsigned>>{
           {"/v1/random?bytes=-1", 400},
           {"/v1/random?bytes=0", 400},
           {"/v1/random?bytes=1e9&grade=full", 400},
           {"/v1/random?bytes=1000000000&grade=full", 413},
           {"/v1/random?bytes=65537&grade=full", 413},
           {"/v1/random?bytes=2000000000", 413},
           {"/v1/random?grade=best", 400},
           {"/v1/random?format=xml", 400},
           {"/v1/random?wait=1d", 400},
           {"/v1/random?colour=red", 400},
           {"/v1/random?bytes=%zz", 400},
           {"/v1/stream?rate=0", 400},
           {"/v1/stream?rate=fast", 400},
           {"/v1/random?bytes=32&bytes=64", 400},
           {"/v1/random?grade=drbg&bytes=1&grade=full", 400},
           {"/v1/stream?rate=1k&%72ate=2k", 400},
           {"/v1/status?x", 400},
           {"/metrics?format=json", 400},
           {"/healthz?full=1", 400},
           {"/?challenge=x", 400},
           {"/nothing", 404},
           {"/nothing?bytes=1", 404},
           {"", 404}}) {
    const auto parsed = parse_api_request("GET", target, "", {});
    ASSERT_FALSE(parsed) << target;
    EXPECT_EQ(parsed.error().status, status) << target;
    EXPECT_FALSE(parsed.error().hint.empty()) << target;
  }
  EXPECT_EQ(status_of("GET", "/v1/random?bytes=65536&grade=full"), 200U);
  EXPECT_EQ(status_of("POST", "/v1/session?x=1"), 400U);
}

TEST(HttpApi, AWrongMethodIsToldTheRightOnes) {
  for (const auto& [method, target, allow] :
       std::initializer_list<std::tuple<const char*, const char*, const char*>>{
           {"DELETE", "/v1/random", "GET, HEAD"},
           {"POST", "/v1/stream", "GET, HEAD"},
           {"POST", "/metrics", "GET, HEAD"},
           {"PUT", "/", "GET, HEAD, POST"},
           {"GET", "/v1/session", "POST"},
           {"HEAD", "/v1/session", "POST"},
           {"get", "/v1/random", "GET, HEAD"}}) {
    const auto parsed = parse_api_request(method, target, "", {});
    ASSERT_FALSE(parsed) << method << target;
    EXPECT_EQ(parsed.error().status, 405U);
    EXPECT_EQ(parsed.error().allow, allow);
  }
  for (const char* target :
       {"/", "/v1/random", "/v1/stream", "/v1/status", "/metrics", "/healthz", "/readyz"}) {
    EXPECT_EQ(status_of("HEAD", target), 200U) << target;
  }
}

TEST(HttpApi, AClientWritesWhatAServerReadsAndKnowsTheSizeOfTheAnswer) {
  RandomRequest asked{
      .bytes = 100, .grade = spec::Grade::full, .format = Format::json, .wait = 1500ms};
  const auto parsed = parse_api_request("GET", encode(asked), "", {});
  ASSERT_TRUE(parsed);
  const auto& read = std::get<RandomRequest>(*parsed);
  EXPECT_EQ(read.bytes, 100U);
  EXPECT_EQ(read.grade, spec::Grade::full);
  EXPECT_EQ(read.format, Format::json);
  EXPECT_EQ(read.wait, Duration(1500ms));
  EXPECT_EQ(body_size(asked),
            std::string(R"({"bytes": 100, "grade": "full", "data": ""})").size() + 136 + 1);
  asked.format = Format::raw;
  EXPECT_EQ(body_size(asked), 100U);
  asked.format = Format::hex;
  EXPECT_EQ(body_size(asked), 201U);
  asked.format = Format::base64;
  EXPECT_EQ(body_size(asked), 137U);
}

TEST(HttpApi, PollenWantsAChallenge) {
  const auto asked = parse_api_request("POST", "/", "challenge=a%20b+c&x=y", {});
  ASSERT_TRUE(asked);
  EXPECT_EQ(std::get<PollenRequest>(*asked).challenge, "a b c");
  EXPECT_EQ(status_of("POST", "/", ""), 400U);
  EXPECT_EQ(status_of("POST", "/", "challenge="), 400U);
}

TEST(HttpApi, WhatAPeerSentComesBackHarmless) {
  EXPECT_EQ(refusal_json("a\"b\\c\n\x01\xff", ""),
            "{\"error\": \"a\\\"b\\\\c???\", \"hint\": \"\"}\n");
}

TEST(HttpApi, WhatAPeerSentComesBackShort) {
  const std::string quotes(8000, '"');
  for (const std::string& target :
       {"/v1/random?" + quotes, "/v1/random?bytes=" + quotes, "/v1/random?grade=" + quotes,
        "/v1/random?format=" + quotes, "/v1/random?wait=" + quotes, "/v1/stream?rate=" + quotes,
        "/v1/stream?" + quotes + "=1", "/metrics?" + quotes, "/" + quotes,
        "/v1/random?" + quotes + "&" + quotes}) {
    const auto parsed = parse_api_request("GET", target, "", {});
    ASSERT_FALSE(parsed);
    EXPECT_LT(refusal_json(parsed.error().error, parsed.error().hint).size(), 320U);
  }
}

TEST(HttpApi, ReadsWhatIsShown) {
  const auto request = [](std::string_view target) {
    return parse_api_request("GET", target, "", {});
  };
  EXPECT_FALSE(std::get<MetricsRequest>(*request("/metrics")).clients);
  EXPECT_TRUE(std::get<MetricsRequest>(*request("/metrics?clients=yes")).clients);
  EXPECT_FALSE(std::get<EventsRequest>(*request("/v1/events")).status);
  EXPECT_TRUE(std::get<EventsRequest>(*request("/v1/events?status=yes")).status);
  EXPECT_EQ(std::get<HistoryRequest>(*request("/v1/history")).span, "10m");
  EXPECT_EQ(std::get<HistoryRequest>(*request("/v1/history?span=24h")).span, "24h");
  EXPECT_EQ(std::get<AssetRequest>(*request("/assets/a.js")).path, "/assets/a.js");
  for (const char* const bad :
       {"/metrics?clients=1", "/metrics?x=yes", "/v1/events?status=", "/v1/events?Last-Event-ID=1",
        "/v1/history?span=1y", "/v1/history?from=0", "/assets/a.js?x=1"}) {
    const auto refused = request(bad);
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().status, 400U) << bad;
  }
  for (const char* const page : {"/metrics", "/v1/events", "/v1/history", "/assets/a.js"}) {
    EXPECT_EQ(parse_api_request("POST", page, "", {}).error().status, 405U) << page;
  }
}

TEST(HttpApi, KnowsWhatABrowserWants) {
  EXPECT_TRUE(prefers_html("text/html,application/xhtml+xml,*/*;q=0.8"));
  EXPECT_TRUE(prefers_html("application/json, Text/HTML;q=0.1"));
  EXPECT_FALSE(prefers_html("*/*")) << "curl";
  EXPECT_FALSE(prefers_html(""));
  EXPECT_FALSE(prefers_html("text/html;q=0"));
  EXPECT_FALSE(prefers_html("text/htmlx"));
  EXPECT_TRUE(takes_gzip("br, gzip"));
  EXPECT_FALSE(takes_gzip("gzip;q=0.0, br"));
  EXPECT_FALSE(takes_gzip("x-gzip"));
  EXPECT_FALSE(takes_gzip(""));
}

}  // namespace
}  // namespace qanat::wire
