#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/core.h>

#include <ctime>
#include <set>
#include <thread>

#include "net/connect.h"
#include "net/tls.h"
#include "outlets/registry.h"
#include "outlets/trickle/cookie_keys.h"
#include "support/eventually.h"
#include "support/test_hub.h"
#include "wire/path.h"
#include "wire/proof.h"

namespace qanat::outlets {
namespace {

using test::eventually;
using test::TestHub;
using namespace std::chrono_literals;

class HttpOutletTest : public testing::Test {
 protected:
  HttpSettings settings(bool tls = false, Access access = Access::open) {
    HttpSettings settings;
    settings.name = "http";
    settings.address = {"127.0.0.1", 0};
    settings.tls = tls;
    settings.access = access;
    settings.limits = limits_;
    return settings;
  }
  std::unique_ptr<HttpOutlet> start(HttpSettings settings) {
    auto outlet = std::make_unique<HttpOutlet>(std::move(settings), hub_.all_services());
    outlet->start();
    return outlet;
  }
  spec::Address address(const HttpOutlet& outlet) {
    return *spec::parse_address(outlet.address_text());
  }

  peers::Endpoint endpoint(const HttpOutlet& outlet, bool tls) {
    peers::Endpoint endpoint;
    endpoint.address = address(outlet);
    endpoint.tls = tls;
    if (tls) endpoint.trust.pin = hub_.pin();
    return endpoint;
  }
  // The body of a 200 or the error.
  tl::expected<std::string, peers::ClientError> get(peers::HttpClient& client,
                                                    const std::string& target) {
    return client.text("GET", target);
  }

  // A plain connection that says `text` and nothing more.
  UniqueFd raw(const HttpOutlet& outlet, const std::string& text) {
    auto fd = net::connect_tcp(address(outlet), waker_, 5s);
    EXPECT_TRUE(fd);
    EXPECT_EQ(::send(fd->get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
    return std::move(*fd);
  }
  // Everything until the peer closes.
  std::string read_all(const UniqueFd& fd) {
    std::string all;
    std::array<char, 65536> piece;
    for (;;) {
      if (wait_for(fd.get(), POLLIN, waker_, Duration(30s)) != Wake::ready)
        return all + "<timeout>";
      const ssize_t n = ::recv(fd.get(), piece.data(), piece.size(), 0);
      if (n <= 0) return all;
      all.append(piece.data(), static_cast<std::size_t>(n));
    }
  }

  serve::Limits limits_;
  TestHub hub_;
  Waker waker_;
};

TEST_F(HttpOutletTest, HttpToAPortOfTlsIsToldSo) {
  const auto outlet = start(settings(true));
  peers::HttpClient plain(endpoint(*outlet, false), waker_);
  const auto refused = get(plain, "/v1/random");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find(
                "answered 400: a plain HTTP request was sent to a port that speaks HTTPS; write "
                "https:// in place of http://"),
            std::string::npos)
      << refused.error().message;
  EXPECT_EQ(outlet->report().refused.at("handshake"), 1U);
}

TEST_F(HttpOutletTest, TlsToAPortOfHttpIsToldSo) {
  const auto outlet = start(settings());
  peers::HttpClient secure(endpoint(*outlet, true), waker_);
  const auto refused = get(secure, "/v1/random");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("write http:// in place of https://"), std::string::npos)
      << refused.error().message;
}

TEST_F(HttpOutletTest, ServesBothGradesInEveryFormat) {
  hub_.seed_drbg();
  hub_.credit(4096);
  const auto outlet = start(settings());
  peers::HttpClient client(endpoint(*outlet, false), waker_);
  for (const char* grade : {"drbg", "full"}) {
    const std::string query = std::string("/v1/random?grade=") + grade + "&bytes=20&format=";
    EXPECT_EQ(get(client, query + "raw")->size(), 20U);
    EXPECT_EQ(get(client, query + "hex")->size(), 41U);
    EXPECT_EQ(get(client, query + "base64")->size(), 29U);
    const auto json = *get(client, query + "json");
    EXPECT_TRUE(
        json.starts_with("{\"bytes\": 20, \"grade\": \"" + std::string(grade) + "\", \"data\": \""))
        << json;
    EXPECT_TRUE(json.ends_with("\"}\n"));
  }
  EXPECT_EQ(*get(client, "/healthz"), "ok\n");
  EXPECT_EQ(*get(client, "/readyz"), "ready\n");
  EXPECT_EQ(*get(client, "/metrics"), "all\n");
  EXPECT_TRUE(eventually([&] { return hub_.dispenser.report().total.delivered == 8U * 20 * 4; }));
  EXPECT_TRUE(hub_.dispenser.report().total.balanced());
}

TEST_F(HttpOutletTest, LargeAnswersAreWholeAndEveryByteFresh) {
  hub_.seed_drbg();
  for (const bool tls : {false, true}) {
    const auto outlet = start(settings(tls));
    peers::HttpClient client(endpoint(*outlet, tls), waker_);
    for (const std::size_t bytes : {16383UL, 16384UL, 16385UL, 100000UL, 3000000UL}) {
      std::string body;
      const auto response =
          client.get("/v1/random?bytes=" + std::to_string(bytes), [&](Bytes piece) {
            body.append(as_text(piece));
            return true;
          });
      ASSERT_TRUE(response);
      ASSERT_EQ(body.size(), bytes);
      std::set<std::string> blocks;
      for (std::size_t at = 0; at + 16 <= bytes; at += 16) blocks.insert(body.substr(at, 16));
      EXPECT_EQ(blocks.size(), bytes / 16) << "repeated bytes";
    }
    for (const std::size_t bytes : {7679UL, 7680UL, 7681UL, 50001UL}) {
      EXPECT_EQ(get(client, "/v1/random?format=hex&bytes=" + std::to_string(bytes))->size(),
                2 * bytes + 1);
      EXPECT_EQ(get(client, "/v1/random?format=base64&bytes=" + std::to_string(bytes))->size(),
                (bytes + 2) / 3 * 4 + 1);
      const auto json = *get(client, "/v1/random?format=json&bytes=" + std::to_string(bytes));
      EXPECT_TRUE(json.ends_with("\"}\n"));
      EXPECT_EQ(json.find('\n'), json.size() - 1);
    }
  }
}

TEST_F(HttpOutletTest, WithoutASeedItSays503AndComesToReady) {
  const auto outlet = start(settings());
  peers::HttpClient client(endpoint(*outlet, false), waker_);
  hub_.services().drbg.ready();
  for (const char* target : {"/v1/random", "/v1/stream", "/readyz"}) {
    const auto refused = get(client, target);
    ASSERT_FALSE(refused) << target;
    EXPECT_EQ(refused.error().trouble, peers::Trouble::busy);
    EXPECT_GT(refused.error().retry_after, 0U);
  }
  EXPECT_EQ(*get(client, "/healthz"), "ok\n");
  hub_.seed_drbg();
  EXPECT_EQ(*get(client, "/readyz"), "ready\n");
}

TEST_F(HttpOutletTest, FullWaitsInLineForBytesToArrive) {
  const auto outlet = start(settings());
  std::thread arrival([&] {
    EXPECT_TRUE(eventually([&] { return hub_.dispenser.report().waiting_requests == 1; }));
    hub_.credit(64);
  });
  peers::HttpClient client(endpoint(*outlet, false), waker_);
  EXPECT_EQ(get(client, "/v1/random?grade=full&bytes=64&wait=60s")->size(), 64U);
  arrival.join();
}

TEST_F(HttpOutletTest, FullThatCannotBeIsRefusedInTimeAndNothingIsLost) {
  hub_.credit(63);
  const auto outlet = start(settings());
  peers::HttpClient client(endpoint(*outlet, false), waker_);
  const auto refused = get(client, "/v1/random?grade=full&bytes=64&wait=50ms");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().trouble, peers::Trouble::busy);
  EXPECT_EQ(refused.error().retry_after, 5U);
  EXPECT_EQ(get(client, "/v1/random?grade=full&bytes=63&wait=0")->size(), 63U)
      << "the bytes are still there";
}

TEST_F(HttpOutletTest, WhatTheLineMakesImpossibleIsRefusedAtOnceAndSaysWhoseFaultItIs) {
  hub_.prove_supply(10000);
  const auto outlet = start(settings());
  peers::HttpClient client(endpoint(*outlet, false), waker_);
  std::vector<share::Flow> others;
  std::vector<share::Ticket> line;
  for (int i = 0; i < 9; ++i) {
    others.push_back(hub_.dispenser.open_flow("other"));
    line.push_back(hub_.dispenser.request(others.back().id(), 4096, Clock().now(), [] {}));
  }
  const auto over_share = get(client, "/v1/random?grade=full&bytes=5000&wait=2s");
  ASSERT_FALSE(over_share);
  EXPECT_NE(over_share.error().message.find("429: over your share"), std::string::npos)
      << over_share.error().message;
  EXPECT_NEAR(over_share.error().retry_after, 3, 1) << "5,000 bytes at 1 kB/s, less what it waits";
  const auto too_much = get(client, "/v1/random?grade=full&bytes=50000&wait=2s");
  ASSERT_FALSE(too_much);
  EXPECT_NE(too_much.error().message.find("503"), std::string::npos) << too_much.error().message;
  EXPECT_GT(too_much.error().retry_after, 30U);
  EXPECT_EQ(outlet->report().connections, 1U) << "refused, not dropped";
  EXPECT_EQ(outlet->report().refused.at("over_share"), 1U);
  EXPECT_EQ(outlet->report().refused.at("unavailable"), 1U);
  line.clear();
  hub_.credit(64);
  EXPECT_EQ(get(client, "/v1/random?grade=full&bytes=64&wait=10s")->size(), 64U);
}

TEST_F(HttpOutletTest, GradeDrbgHasARatePerPeerWhenTheOperatorNamesOne) {
  limits_.limit_local = true;
  limits_.block_drbg = {1, 4 * 8192};
  hub_.seed_drbg();
  const auto outlet = start(settings());
  peers::HttpClient client(endpoint(*outlet, false), waker_);
  int answered = 0;
  tl::expected<std::string, peers::ClientError> last;
  do {
    last = get(client, "/v1/random?bytes=32");
    if (last) ++answered;
  } while (last && answered < 100);
  EXPECT_NEAR(answered, 4, 1);
  EXPECT_EQ(last.error().trouble, peers::Trouble::busy);
  EXPECT_NE(last.error().message.find("429"), std::string::npos);
  EXPECT_GT(last.error().retry_after, 0U);
  EXPECT_EQ(outlet->report().connections, 1U);
  EXPECT_EQ(outlet->report().refused.at("over_share"), 1U);
}

TEST_F(HttpOutletTest, ALongAnswerOfGradeDrbgIsPacedNotRefused) {
  limits_.limit_local = true;
  limits_.block_drbg = {20 << 20, 1 << 20};
  hub_.seed_drbg();
  const auto outlet = start(settings());
  peers::HttpClient client(endpoint(*outlet, false), waker_);
  const TimePoint began = Clock().now();
  EXPECT_EQ(client.get("/v1/random?bytes=8M", [](Bytes) { return true; })->body_bytes, 8000000U);
  // A lower bound only: 8 MB less the first two at 20 MiB a second.
  EXPECT_GE(seconds(Clock().now() - began), 0.2);
}

TEST_F(HttpOutletTest, TransfersNameTheNodesBehindThem) {
  hub_.seed_drbg();
  hub_.credit(64 << 10);
  hub_.provenance.set_own("00000000000000aa");
  const auto outlet = start(settings(true));
  peers::HttpClient client(endpoint(*outlet, true), waker_);
  for (const char* grade : {"full", "drbg"}) {
    ASSERT_TRUE(get(client, fmt::format("/v1/random?grade={}", grade)));
    EXPECT_EQ(client.path(), "00000000000000aa");
    ASSERT_FALSE(
        client.get(fmt::format("/v1/stream?grade={}", grade), [](Bytes) { return false; }));
    EXPECT_EQ(client.path(), "00000000000000aa");
  }
  // What is behind a stream may change while it flows; what was sent before is on its way.
  std::size_t got = 0;
  (void)client.get("/v1/stream?grade=full", [&](Bytes piece) {
    if (got == 0) hub_.provenance.set(1, {"00000000000000bb"});
    got += piece.size();
    hub_.credit(1024);
    return client.path() == "00000000000000aa" && got < (64 << 20);
  });
  EXPECT_EQ(client.path(), "00000000000000aa, 00000000000000bb");
}

TEST_F(HttpOutletTest, TenThousandRequestsOfOneClientAreOneShare) {
  // A client whose line is ten thousand requests long, and one who asks now and then.
  const auto outlet = start(settings());
  const share::Flow greedy = hub_.dispenser.open_flow("greedy");
  std::vector<share::Ticket> line;
  for (int i = 0; i < 10000; ++i) {
    line.push_back(hub_.dispenser.request(greedy.id(), 64, Clock().now(), [] {}));
  }
  peers::HttpClient client(endpoint(*outlet, false), waker_);
  std::thread supply([&] {
    if (eventually([&] { return hub_.dispenser.report().waiting_requests == 10001; })) {
      for (int i = 0; i < 4; ++i) hub_.credit(64);
    }
  });
  EXPECT_EQ(get(client, "/v1/random?grade=full&bytes=64&wait=60s")->size(), 64U)
      << "half of 256 bytes is more than it asked for";
  supply.join();
}

TEST_F(HttpOutletTest, AClientThatHangsUpInLineTakesNothing) {
  const auto outlet = start(settings());
  {
    const auto fd = raw(
        *outlet, "GET /v1/random?grade=full&bytes=64&wait=60s HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_TRUE(eventually([&] { return hub_.dispenser.report().waiting_requests == 1; }));
  }
  EXPECT_TRUE(eventually([&] { return hub_.dispenser.report().waiting_requests == 0; }));
  EXPECT_TRUE(eventually([&] { return outlet->report().connections == 0; }));
  hub_.credit(64);
  EXPECT_EQ(hub_.dispenser.report().fill, 64U);
}

TEST_F(HttpOutletTest, PollenAnswersAsPollinateExpects) {
  hub_.credit(64);
  const auto outlet = start(settings());
  peers::HttpClient client(endpoint(*outlet, false), waker_);
  const auto answer = client.text("POST", "/", "challenge=abc");
  ASSERT_TRUE(answer);
  EXPECT_TRUE(
      answer->starts_with("ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                          "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f\n"));
  EXPECT_EQ(answer->size(), 2U * 129);
  EXPECT_EQ(client.text("POST", "/", "").error().trouble, peers::Trouble::refused);
}

TEST_F(HttpOutletTest, StreamsUntilTheClientHasEnough) {
  hub_.seed_drbg();
  hub_.credit(2048);
  const auto outlet = start(settings(true));
  peers::HttpClient client(endpoint(*outlet, true), waker_);
  for (const char* target : {"/v1/stream", "/v1/stream?rate=1M", "/v1/stream?grade=full"}) {
    std::size_t got = 0;
    (void)client.get(target, [&](Bytes piece) { return (got += piece.size()) < 1000; });
    EXPECT_GE(got, 1000U) << target;
  }
  EXPECT_TRUE(eventually([&] { return outlet->report().connections == 0; }));
  EXPECT_TRUE(hub_.dispenser.report().total.balanced());
}

TEST_F(HttpOutletTest, MalformedRequestsGetA400AndNobodyElseNotices) {
  hub_.seed_drbg();
  const auto outlet = start(settings());
  peers::HttpClient client(endpoint(*outlet, false), waker_);
  for (const auto& [text, status] : std::initializer_list<std::pair<std::string, const char*>>{
           {"nonsense\r\n\r\n", "400"},
           {"GET / HTTP/9.9\r\n\r\n", "400"},
           {"GET / HTTP/1.1\r\n\r\n", "400"},
           {"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", "400"},
           {"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Qanat a b\r\nauthorization: Qanat "
            "c "
            "d\r\n\r\n",
            "400"},
           {"GET /v1/random?bytes=1&bytes=2 HTTP/1.0\r\n\r\n", "400"},
           {"GET /metrics?x=1 HTTP/1.0\r\n\r\n", "400"},
           {std::string("\x16\x03\x01\x02\x00", 5) + "\r\n\r\n", "400"},
           {"GET / HTTP/1.1\r\nX: " + std::string(9000, 'a') + "\r\n\r\n", "431"},
           {"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n", "413"},
           {"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n", "400"},
           {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
            "411"}}) {
    const auto fd = raw(*outlet, text);
    ::shutdown(fd.get(), SHUT_WR);
    const std::string answer = read_all(fd);
    EXPECT_TRUE(answer.starts_with(std::string("HTTP/1.1 ") + status))
        << text.substr(0, 40) << " -> " << answer;
    EXPECT_EQ(get(client, "/v1/random?bytes=8")->size(), 8U);
  }
  EXPECT_EQ(outlet->report().refused.at("malformed"), 12U);
}

// Of a response as it stands: its header's length, and the length that it promises for its body.
struct Framing {
  std::size_t header = 0;
  std::size_t body = 0;
};
Framing framing_of(const std::string& answer) {
  Framing framing;
  framing.header = answer.find("\r\n\r\n") + 4;
  const auto at = answer.find("Content-Length: ");
  if (at < framing.header) framing.body = std::stoul(answer.substr(at + 16, 20));
  return framing;
}

TEST_F(HttpOutletTest, NoEchoIsLongerThanWhatItIsWrittenInto) {
  hub_.seed_drbg();
  const auto outlet = start(settings());
  const std::string quotes(8164, '"');
  for (const std::string& line :
       {"GET /v1/random?" + quotes, "GET /v1/random?bytes=" + quotes.substr(6),
        "GET /v1/stream?rate=" + quotes.substr(5), "GET /" + quotes, "GET /metrics?" + quotes,
        "POST /?" + quotes, quotes.substr(1) + " /v1/random"}) {
    const std::string answer = read_all(raw(*outlet, line + " HTTP/1.0\r\n\r\n"));
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 4")) << answer.substr(0, 100);
    const Framing framing = framing_of(answer);
    EXPECT_EQ(answer.size(), framing.header + framing.body);
    EXPECT_LT(answer.size(), 1000U);
  }
  const std::string host =
      read_all(raw(*outlet, "GET / HTTP/1.0\r\nHost: " + quotes.substr(100) + "\r\n\r\n"));
  EXPECT_TRUE(host.starts_with("HTTP/1.1 4"));
  EXPECT_LT(host.size(), 1000U);
  peers::HttpClient client(endpoint(*outlet, false), waker_);
  EXPECT_EQ(get(client, "/v1/random?bytes=8")->size(), 8U);
}

TEST_F(HttpOutletTest, ARelayWithThousandsOfNodesBehindItStaysUseful) {
  hub_.seed_drbg();
  hub_.provenance.set_own("00000000000000aa");
  for (const std::size_t nodes : {257U, 1000U, 1536U, 4000U}) {
    for (entropy::SourceId source = 1; source <= 4; ++source) {
      wire::Path path;
      for (std::size_t i = 0; i < nodes / 4; ++i) {
        path.push_back(fmt::format("{:08x}{:08x}", source * 10000 + i, i));
      }
      hub_.provenance.set(source, std::move(path));
    }
    for (int i = 0; i < 3; ++i) hub_.credit(64 << 10);
    const auto outlet = start(settings(true));
    peers::HttpClient client(endpoint(*outlet, true), waker_);
    for (const auto format :
         {wire::Format::raw, wire::Format::hex, wire::Format::base64, wire::Format::json}) {
      for (const auto grade : {spec::Grade::full, spec::Grade::drbg}) {
        const auto answer = client.random({.bytes = 9000, .grade = grade, .format = format},
                                          [](Bytes) { return true; });
        ASSERT_TRUE(answer) << nodes << answer.error().message;
        const auto path = wire::decode_path(client.path());
        ASSERT_TRUE(path) << nodes;
        EXPECT_TRUE(wire::leads_through(*path, "00000000000000aa"));
        // The neighbours in any case, and all of them where there is room.
        for (std::size_t source = 1; source <= 4; ++source) {
          for (const std::size_t i : {std::size_t{0}, std::min<std::size_t>(nodes, 1500) / 4 - 1}) {
            EXPECT_TRUE(
                wire::leads_through(*path, fmt::format("{:08x}{:08x}", source * 10000 + i, i)))
                << nodes;
          }
        }
      }
    }
    for (const char* grade : {"full", "drbg"}) {
      std::size_t got = 0;
      std::string seen;
      (void)client.get(fmt::format("/v1/stream?grade={}", grade), [&](Bytes piece) {
        seen = client.path();
        return (got += piece.size()) < 40000;
      });
      EXPECT_GE(got, 40000U) << nodes << grade;
      EXPECT_TRUE(wire::decode_path(seen)) << nodes;
    }
    EXPECT_TRUE(eventually([&] { return outlet->report().connections == 0; }));
    EXPECT_TRUE(hub_.dispenser.report().total.balanced());
  }
}

TEST_F(HttpOutletTest, APageInABrowserDrawsNothing) {
  hub_.seed_drbg();
  HttpSettings named = settings();
  named.hosts = {"hub.lan"};
  const auto outlet = start(std::move(named));
  const auto status = [&](const std::string& fields, const std::string& line = "GET /v1/random") {
    const std::string answer =
        read_all(raw(*outlet, line + " HTTP/1.1\r\nConnection: close\r\n" + fields + "\r\n"));
    return answer.substr(9, 3);
  };
  for (const char* good : {"Host: 127.0.0.1:7748\r\n", "Host: [::1]\r\n", "Host: LOCALHOST:1\r\n",
                           "Host: Hub.lan:7748\r\n", "Host: localhost\r\nSec-Fetch-Site: none\r\n",
                           "Host: localhost:7748\r\nSec-Fetch-Site: same-origin\r\nOrigin: "
                           "http://localhost:7748\r\n"}) {
    EXPECT_EQ(status(good), "200") << good;
  }
  const std::initializer_list<const char*> bad{
      "Host: rebound.evil.example:7748\r\n",
      "Host: 127.0.0.1.evil.example\r\n",
      "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n",
      "Host: localhost\r\nSec-Fetch-Site: same-site\r\n",
      "Host: localhost\r\nOrigin: null\r\n",
      "Host: localhost\r\nOrigin: https://evil.example\r\n"};
  for (const char* fields : bad) {
    for (const char* line : {"GET /v1/random", "POST /", "POST /v1/session", "GET /v1/status",
                             "GET /metrics", "GET /v1/stream", "GET /"}) {
      EXPECT_EQ(status(fields, line), "403") << line << fields;
    }
  }
  EXPECT_EQ(outlet->report().refused.at("web_page"), 7 * bad.size());
}

TEST_F(HttpOutletTest, HeadSaysWhatGetWouldAndDrawsNothing) {
  hub_.seed_drbg();
  hub_.credit(4096);
  const auto outlet = start(settings());
  const auto before = hub_.dispenser.report().fill;
  for (const char* target :
       {"/", "/healthz", "/readyz", "/v1/status", "/metrics", "/v1/random?bytes=100&format=json",
        "/v1/random?bytes=100&grade=full", "/v1/random?bytes=1G", "/v1/random?bytes=-1", "/nothing",
        "/v1/session"}) {
    const std::string end =
        std::string(target) + " HTTP/1.1\r\nHost: localhost\r\n" + "Connection: close\r\n\r\n";
    const std::string head = read_all(raw(*outlet, "HEAD " + end));
    EXPECT_EQ(head.size(), framing_of(head).header) << target << head;
    if (std::string_view(target).ends_with("1G") || std::string_view(target).ends_with("full")) {
      EXPECT_GT(framing_of(head).body, 0U);
      continue;
    }
    const std::string got = read_all(raw(*outlet, "GET " + end));
    EXPECT_EQ(got.substr(0, head.size()), head) << target;
  }
  const std::string stream = read_all(
      raw(*outlet,
          "HEAD /v1/stream?grade=full HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
  EXPECT_NE(stream.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
  EXPECT_TRUE(stream.ends_with("\r\n\r\n"));
  EXPECT_EQ(hub_.dispenser.report().fill, before);
  const std::string root = read_all(raw(*outlet, "PUT / HTTP/1.0\r\n\r\n"));
  EXPECT_NE(root.find("\r\nAllow: GET, HEAD, POST\r\n"), std::string::npos) << root;
}

TEST_F(HttpOutletTest, AnswersNameTheirGrade) {
  hub_.seed_drbg();
  hub_.credit(4096);
  const auto outlet = start(settings());
  peers::HttpClient client(endpoint(*outlet, false), waker_);
  for (const auto& [target, grade] : std::initializer_list<std::pair<const char*, const char*>>{
           {"/v1/random", "drbg"}, {"/v1/random?grade=full", "full"}}) {
    EXPECT_EQ(client.get(target, [](Bytes) { return true; })->headers.at("qanat-grade"), grade);
  }
  EXPECT_EQ(client.request("POST", "/", "challenge=x", [](Bytes) { return true; }, "", {})
                ->headers.at("qanat-grade"),
            "full");
}

TEST_F(HttpOutletTest, DocumentsAndSessionsHaveARateEach) {
  hub_.seed_drbg();
  limits_.local_documents = {1, 10};
  limits_.client_documents = {1, 5};
  limits_.client_sessions = {1, 3};
  hub_.cookies.begin(static_cast<std::uint64_t>(std::time(nullptr)));
  hub_.trickle_port = 7749;
  const auto outlet = start(settings(true));
  peers::HttpClient nameless(endpoint(*outlet, true), waker_);
  SecretBytes key(32);
  key.view()[0] = 1;
  const auto client = *hub_.clients.add("router", SecretBytes(Bytes(key.view())), {});
  peers::Endpoint made = endpoint(*outlet, true);
  made.client_name = "router";
  made.shared_key = std::move(key);
  peers::HttpClient named(std::move(made), waker_);
  const auto answered = [](peers::HttpClient& from, const char* method, const char* target) {
    int answers = 0;
    for (;; ++answers) {
      const auto answer = from.text(method, target);
      if (answer && answers < 50) continue;
      EXPECT_FALSE(answer) << "no limit";
      if (answer) return answers;
      EXPECT_EQ(answer.error().trouble, peers::Trouble::busy) << answer.error().message;
      EXPECT_GT(answer.error().retry_after, 0U);
      return answers;
    }
  };
  EXPECT_GE(answered(nameless, "GET", "/v1/status"), 10);
  EXPECT_LT(answered(nameless, "GET", "/metrics"), 10) << "one rate for both";
  EXPECT_GE(answered(named, "GET", "/metrics"), 5) << "its own";
  EXPECT_GE(answered(named, "POST", "/v1/session"), 3);
  EXPECT_EQ(outlet->report().refused.at("documents"), 3U);
  EXPECT_EQ(outlet->report().refused.at("sessions"), 1U);
  EXPECT_GE(client->refused, 2U);
  EXPECT_EQ(*get(named, "/healthz"), "ok\n");
  EXPECT_TRUE(get(named, "/v1/random"));
}

TEST_F(HttpOutletTest, WhoSeesWhatIsToldByTheConnection) {
  const auto local = start(settings(true));
  peers::HttpClient nameless(endpoint(*local, true), waker_);
  EXPECT_EQ(*get(nameless, "/v1/status"), "all\n");
  EXPECT_EQ(*get(nameless, "/metrics"), "all\n");
  SecretBytes key(32);
  key.view()[0] = 1;
  hub_.clients.add("router", SecretBytes(Bytes(key.view())), {});
  peers::Endpoint made = endpoint(*local, true);
  made.client_name = "router";
  made.shared_key = std::move(key);
  peers::HttpClient named(std::move(made), waker_);
  EXPECT_EQ(*get(named, "/v1/status"), "router\n") << "on this machine, too";
  EXPECT_EQ(*get(named, "/metrics"), "router\n");
}

TEST_F(HttpOutletTest, PipelinedRequestsAreAnsweredInOrder) {
  hub_.seed_drbg();
  const auto outlet = start(settings());
  std::string requests;
  for (int i = 1; i <= 20; ++i) {
    requests += "GET /v1/random?format=hex&bytes=" + std::to_string(i) +
                " HTTP/1.1\r\nHost: localhost\r\n" + (i == 20 ? "Connection: close\r\n" : "") +
                "\r\n";
  }
  const std::string answers = read_all(raw(*outlet, requests));
  std::size_t at = 0;
  for (int i = 1; i <= 20; ++i) {
    at = answers.find("Content-Length: " + std::to_string(2 * i + 1) + "\r\n", at);
    ASSERT_NE(at, std::string::npos) << i;
  }
}

TEST_F(HttpOutletTest, SlowAndSilentPeersAreSentAway) {
  limits_.header = 1s;
  limits_.idle = 1s;
  const auto outlet = start(settings());
  const auto slow = raw(*outlet, "GET / HTT");
  const auto silent = raw(*outlet, "");
  EXPECT_TRUE(read_all(slow).starts_with("HTTP/1.1 408"));
  EXPECT_EQ(read_all(silent), "") << "nobody has asked anything";
  EXPECT_GE(outlet->report().refused.at("timeout"), 2U);
}

TEST_F(HttpOutletTest, APeerThatReadsNothingHoldsNothingBack) {
  limits_.write = 1s;
  hub_.seed_drbg();
  const auto outlet = start(settings());
  const auto stuck = raw(*outlet, "GET /v1/random?bytes=500M HTTP/1.1\r\nHost: localhost\r\n\r\n");
  peers::HttpClient client(endpoint(*outlet, false), waker_);
  EXPECT_EQ(get(client, "/v1/random?bytes=100000")->size(), 100000U);
  EXPECT_TRUE(eventually([&] { return outlet->report().refused.at("timeout") == 1; }));
  EXPECT_TRUE(eventually([&] { return outlet->report().connections <= 1; }));
}

TEST_F(HttpOutletTest, TooManyConnectionsAreDroppedAndCounted) {
  limits_.connections = 3;
  const auto outlet = start(settings());
  std::vector<UniqueFd> kept;
  for (int i = 0; i < 3; ++i) kept.push_back(raw(*outlet, ""));
  EXPECT_TRUE(eventually([&] { return outlet->report().connections == 3; }));
  EXPECT_EQ(read_all(raw(*outlet, "GET /healthz HTTP/1.0\r\n\r\n")), "");
  EXPECT_EQ(outlet->report().refused.at("connections"), 1U);
  kept.clear();
  EXPECT_TRUE(eventually([&] { return outlet->report().connections == 0; }));
}

class JoinTest : public HttpOutletTest {
 protected:
  // What the hub itself says to a wrong proof.
  std::string refusal_of(const HttpOutlet& outlet, const std::string& name) {
    net::ClientTls trust;
    trust.pin = hub_.pin();
    const auto context = net::make_client_context(trust);
    const auto fd = net::connect_tcp(address(outlet), waker_, 5s);
    EXPECT_TRUE(fd);
    ::fcntl(fd->get(), F_SETFL, 0);
    crypto::SslPtr ssl(SSL_new(context.get()));
    SSL_set_fd(ssl.get(), fd->get());
    EXPECT_EQ(SSL_connect(ssl.get()), 1);
    const std::string request =
        "GET /v1/random HTTP/1.0\r\nAuthorization: " + encode(wire::Authorization{name, {}}) +
        "\r\n\r\n";
    EXPECT_GT(SSL_write(ssl.get(), request.data(), static_cast<int>(request.size())), 0);
    std::string answer;
    std::array<char, 4096> piece;
    for (int n = 0; (n = SSL_read(ssl.get(), piece.data(), piece.size())) > 0;) {
      answer.append(piece.data(), static_cast<std::size_t>(n));
    }
    return answer;
  }
  peers::Endpoint joined(const HttpOutlet& outlet, const std::string& name,
                         std::uint8_t first = 1) {
    peers::Endpoint made = endpoint(outlet, true);
    made.client_name = name;
    made.shared_key = SecretBytes(32);
    made.shared_key.view()[0] = first;
    return made;
  }
  std::shared_ptr<share::Client> invite(const std::string& name) {
    SecretBytes key(32);
    key.view()[0] = 1;
    return *hub_.clients.add(name, std::move(key), {});
  }
};

TEST_F(JoinTest, OnlyThoseWhoProveTheirKeyDraw) {
  hub_.seed_drbg();
  const auto client = invite("router");
  const auto outlet = start(settings(true, Access::join));
  peers::HttpClient good(joined(*outlet, "router"), waker_);
  EXPECT_EQ(get(good, "/v1/random?bytes=40")->size(), 40U);
  EXPECT_EQ(get(good, "/v1/random?bytes=40")->size(), 40U);
  // Counted when the answer is out, which the client may see first.
  EXPECT_TRUE(eventually([&] { return client->drbg_bytes == 80; }));
  peers::HttpClient wrong_key(joined(*outlet, "router", 2), waker_);
  peers::HttpClient unknown(joined(*outlet, "nobody"), waker_);
  peers::HttpClient anonymous(endpoint(*outlet, true), waker_);
  std::set<std::string> answers;
  for (auto* who : {&wrong_key, &unknown, &anonymous}) {
    const auto refused = get(*who, "/v1/random");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().trouble, peers::Trouble::refused);
    // Ours says more than the hub does.
    const std::string& said = refused.error().message;
    EXPECT_NE(said.find(who == &anonymous ? "401: who are you?" : "401: the hub no longer accepts"),
              std::string::npos)
        << said;
  }
  for (const char* name : {"router", "nobody"}) {
    answers.insert(refusal_of(*outlet, name));
  }
  EXPECT_EQ(answers.size(), 1U) << "a wrong key and an unknown name look alike";
  EXPECT_NE(answers.begin()->find("\r\nWWW-Authenticate: Qanat\r\n"), std::string::npos);
  for (const char* guarded : {"/metrics", "/v1/status", "/v1/stream", "/"}) {
    EXPECT_FALSE(get(anonymous, guarded)) << guarded;
  }
  EXPECT_EQ(*get(anonymous, "/healthz"), "ok\n");
}

TEST_F(JoinTest, AWrongPinIsNoticedBeforeAnythingIsSent) {
  hub_.seed_drbg();
  invite("router");
  const auto outlet = start(settings(true, Access::join));
  peers::Endpoint wrong = joined(*outlet, "router");
  (*wrong.trust.pin)[0] ^= 1;
  peers::HttpClient client(std::move(wrong), waker_);
  const auto refused = get(client, "/v1/random");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().trouble, peers::Trouble::distrusted);
  EXPECT_NE(refused.error().message.find("not the pinned one"), std::string::npos);
  EXPECT_TRUE(eventually([&] { return outlet->report().refused.at("handshake") == 1; }));
  EXPECT_EQ(outlet->report().refused.at("unauthorised"), 0U) << "no request ever came";
}

TEST_F(JoinTest, AHubThatCannotProveTheKeyIsDistrusted) {
  // The pinned key, but whoever answers does not ask for, nor know, the shared key.
  hub_.seed_drbg();
  const auto outlet = start(settings(true, Access::open));
  peers::HttpClient client(joined(*outlet, "router"), waker_);
  const auto refused = get(client, "/v1/random");
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().trouble == peers::Trouble::distrusted ||
              refused.error().trouble == peers::Trouble::refused);
}

TEST_F(JoinTest, RevokingEndsOpenConnectionsAtOnce) {
  hub_.seed_drbg();
  const auto client = invite("router");
  const auto outlet = start(settings(true, Access::join));
  hub_.clients.on_revoke([&](const std::shared_ptr<share::Client>& who) { outlet->close_of(who); });
  peers::HttpClient idle(joined(*outlet, "router"), waker_);
  EXPECT_TRUE(get(idle, "/v1/random"));
  std::size_t streamed = 0;
  std::atomic<bool> streaming{false};
  std::thread reader([&] {
    peers::HttpClient stream(joined(*outlet, "router"), waker_);
    (void)stream.get("/v1/stream?rate=1M", [&](Bytes piece) {
      streamed += piece.size();
      streaming = true;
      return true;
    });
  });
  EXPECT_TRUE(eventually([&] { return streaming.load(); }));
  hub_.clients.revoke("router");
  reader.join();
  EXPECT_TRUE(eventually([&] { return outlet->report().connections == 0; }));
  EXPECT_FALSE(get(idle, "/v1/random"));
}

// A node that does not run (SIGSTOP) is given up by who asked it, and told "nothing was done".
TEST_F(HttpOutletTest, AControlRequestOfOneWhoHasHungUpIsNotCarriedOutAndALostAnswerIsUndone) {
  HttpSettings control = settings();
  control.unix_path = fmt::format("{}/qanat-control-{}", testing::TempDir(), ::getpid());
  std::vector<std::string> asked;
  std::atomic<int> undone{0};
  std::atomic<bool> over{false};
  std::atomic<bool> called{false};
  UniqueFd caller;
  const auto post = [&](const std::string& path) {
    auto fd = net::connect_unix(control.unix_path);
    const std::string request =
        "POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    EXPECT_TRUE(fd && write_all(fd->get(), "control", as_bytes(request)));
    return fd ? std::move(*fd) : UniqueFd();
  };
  // Runs on the one I/O thread: what is sent in it is read after it.
  control.control = [&](std::string_view, std::string_view path, std::string_view) {
    asked.emplace_back(path);
    if (path == "/control/last") over = true;
    if (path == "/control/first") {
      while (!called) std::this_thread::yield();
      (void)post("/control/gone");
      caller.reset();
    }
    return ControlAnswer{200, "{}\n", [&] { ++undone; }};
  };
  const auto outlet = start(control);
  caller = post("/control/first");
  called = true;
  EXPECT_TRUE(eventually([&] { return undone == 1; }));
  const UniqueFd last = post("/control/last");
  EXPECT_TRUE(eventually([&] { return over.load(); }));
  EXPECT_EQ(asked, (std::vector<std::string>{"/control/first", "/control/last"}));
  EXPECT_EQ(undone, 1);
}

TEST_F(HttpOutletTest, DrainingFinishesWhatIsUnderWay) {
  hub_.seed_drbg();
  auto outlet = start(settings());
  std::atomic<std::size_t> got{0};
  std::thread reader([&] {
    Waker waker;
    peers::HttpClient client(endpoint(*outlet, false), waker);
    (void)client.get("/v1/random?bytes=50M", [&](Bytes piece) {
      got += piece.size();
      return true;
    });
  });
  const auto idle = raw(*outlet, "");
  EXPECT_TRUE(eventually([&] { return got > 0; }));
  outlet->drain();
  reader.join();
  EXPECT_EQ(got, 50000000U);
  EXPECT_EQ(read_all(idle), "");
  EXPECT_TRUE(eventually([&] { return outlet->idle(); }));
}

TEST(OutletRegistry, GuardsWhatIsBeyondLoopback) {
  const auto complaint = [](const std::string& text) -> std::string {
    try {
      (void)plan_outlet(text);
    } catch (const Failure& problem) {
      return problem.what();
    }
    return "";
  };
  EXPECT_EQ(complaint("http://127.0.0.1:7748"), "");
  EXPECT_NE(complaint("http://0.0.0.0:7748").find("access=open"), std::string::npos);
  EXPECT_EQ(complaint("http://0.0.0.0:7748?access=open"), "");
  EXPECT_EQ(complaint("https://0.0.0.0:7749"), "");
  EXPECT_NE(plan_outlet("https://0.0.0.0:7749").note.find("join string"), std::string::npos);
  EXPECT_NE(complaint("https://0.0.0.0:7749?access=ca").find("ca=FILE"), std::string::npos);
  EXPECT_NE(complaint("kernel?bytes=16").find("between 32 and 512"), std::string::npos);
  EXPECT_NE(complaint("kernel?every=0s").find("or more"), std::string::npos);
  EXPECT_NE(complaint("fifo").find("fifo:PATH"), std::string::npos);
  EXPECT_NE(complaint("smoke:/x").find("known are"), std::string::npos);
  EXPECT_EQ(complaint("kernle"), "unknown outlet 'kernle'; did you mean 'kernel'?");
  EXPECT_EQ(complaint("kernel?evry=60s"),
            "kernel?evry=60s: unknown option 'evry'; did you mean 'every'?");
  EXPECT_NE(complaint("http://127.0.0.1:7748?colour=red").find("unknown option"),
            std::string::npos);
}

}  // namespace
}  // namespace qanat::outlets
