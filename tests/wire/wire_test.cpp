#include <fmt/core.h>
#include <gtest/gtest.h>

#include <random>

#include "wire/http_api.h"
#include "wire/join_string.h"
#include "wire/path.h"
#include "wire/proof.h"
#include "wire/spec.h"
#include "wire/web_page.h"

namespace qanat::wire {
namespace {

using namespace std::chrono_literals;

TEST(Spec, NamesOfTheDesign) {
  const auto device = parse_spec("device:/dev/ttyUSB0?baud=115200&h=6.5");
  ASSERT_TRUE(device);
  EXPECT_EQ(device->type, "device");
  EXPECT_EQ(device->target, "/dev/ttyUSB0");
  EXPECT_EQ(device->option("baud"), "115200");
  EXPECT_EQ(parse_spec("hwrng")->target, "");
  EXPECT_EQ(parse_spec("https://0.0.0.0:7749?access=open")->target, "//0.0.0.0:7749");
  EXPECT_EQ(parse_spec("exec:cat /dev/urandom | grep -v '?'?h=2")->target,
            "cat /dev/urandom | grep -v '?'");
  EXPECT_EQ(parse_spec("exec:ls ?.txt")->target, "ls ?.txt");
  EXPECT_EQ(parse_spec("file:/a?x=%2fb%20c")->option("x"), "/b c");
  for (const char* bad : {"", ":", "?a=b", "HWRNG", "a b:c", "://x"})
    EXPECT_FALSE(parse_spec(bad)) << bad;
}

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

JoinString example() {
  JoinString join;
  join.name = "router";
  join.address = {"hub.example.org", 7749};
  for (std::size_t i = 0; i < join.pin.size(); ++i) join.pin[i] = static_cast<std::uint8_t>(i);
  join.key = SecretBytes(32);
  join.key.view()[0] = 99;
  return join;
}

TEST(JoinString, ComesBackWhole) {
  const std::string text = encode(example());
  EXPECT_EQ(text.find_first_of(" \n\"'$&"), std::string::npos) << "one word for a shell";
  const auto join = decode_join_string(text);
  ASSERT_TRUE(join) << join.error().message;
  EXPECT_EQ(join->name, "router");
  EXPECT_EQ(join->address.text(), "hub.example.org:7749");
  EXPECT_EQ(join->pin, example().pin);
  EXPECT_EQ(join->key.view()[0], 99);
}

TEST(JoinString, EveryCutAndEveryAlterationIsNoticed) {
  const std::string text = encode(example());
  for (std::size_t length = 0; length < text.size(); ++length) {
    EXPECT_FALSE(decode_join_string(text.substr(0, length))) << length;
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string altered = text;
    altered[i] = altered[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(decode_join_string(altered)) << i;
  }
  EXPECT_NE(decode_join_string("qanat2.xyz").error().message.find("another version"),
            std::string::npos);
}

TEST(Proof, IsThatOfItsPage) {
  // docs/join-strings.md.
  std::array<std::uint8_t, 64> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i);
  const Bytes key = Bytes(bytes).first(32);
  const Bytes exporter = Bytes(bytes).last(32);
  EXPECT_EQ(to_hex(make_proof(Prover::client, key, exporter)),
            "a92c3b5f081bf4b1ccadd33c49fe8969bad87b2751906613ff52924bab872403");
  EXPECT_EQ(to_hex(make_proof(Prover::hub, key, exporter)),
            "b7ffec1e8b0aee01010147b03d38411d2532f31ca9fcb875b57301990a7aa342");
}

TEST(Proof, BelongsToOneKeyOneSideAndOneConnection) {
  const auto proof = make_proof(Prover::client, as_bytes("key"), as_bytes("exporter"));
  EXPECT_NE(proof, make_proof(Prover::hub, as_bytes("key"), as_bytes("exporter")));
  EXPECT_NE(proof, make_proof(Prover::client, as_bytes("kez"), as_bytes("exporter")));
  EXPECT_NE(proof, make_proof(Prover::client, as_bytes("key"), as_bytes("exporter2")));
  const auto back = decode_authorization(encode(Authorization{"router", proof}));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->name, "router");
  EXPECT_EQ(back->proof, proof);
  for (const char* scheme : {"qanat", "QANAT", "qAnAt"}) {
    EXPECT_TRUE(decode_authorization(scheme + encode(*back).substr(5))) << scheme;
  }
  for (const char* bad :
       {"", "Qanat", "Qanat ", "Qanat x", "Qanat x 12", "Basic abc", "Qanat  x y"}) {
    EXPECT_FALSE(decode_authorization(bad)) << bad;
  }
}

unsigned status_of(std::string_view method, std::string_view target, std::string_view body = "") {
  const auto parsed = parse_api_request(method, target, body, {});
  return parsed ? 200 : parsed.error().status;
}

TEST(HttpApi, RandomWithItsDefaultsAndParameters) {
  const auto plain = parse_api_request("GET", "/v1/random", "", {});
  ASSERT_TRUE(plain);
  EXPECT_EQ(std::get<RandomRequest>(*plain).bytes, 32U);
  EXPECT_EQ(std::get<RandomRequest>(*plain).grade, Grade::drbg);
  const auto full =
      parse_api_request("GET", "/v1/random?bytes=4KiB&grade=full&format=hex&wait=500ms", "", {});
  ASSERT_TRUE(full);
  const auto& request = std::get<RandomRequest>(*full);
  EXPECT_EQ(request.bytes, 4096U);
  EXPECT_EQ(request.grade, Grade::full);
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
  RandomRequest asked{.bytes = 100, .grade = Grade::full, .format = Format::json, .wait = 1500ms};
  const auto parsed = parse_api_request("GET", encode(asked), "", {});
  ASSERT_TRUE(parsed);
  const auto& read = std::get<RandomRequest>(*parsed);
  EXPECT_EQ(read.bytes, 100U);
  EXPECT_EQ(read.grade, Grade::full);
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

TEST(Wire, ParsersAreTotal) {
  const std::uint64_t seed = 7;
  std::mt19937_64 random(seed);
  const std::string alphabet = "qanat1.:/?&=%+[]0123456789abcxyzABC-_ \n\"";
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (std::size_t n = random() % 60; n > 0; --n) text += alphabet[random() % alphabet.size()];
    (void)parse_spec(text);
    (void)parse_address(text, 1);
    (void)decode_join_string("qanat1." + text);
    (void)decode_authorization("Qanat " + text);
    (void)decode_path(text);
    (void)is_own_host(text, {});
    (void)from_another_site(text, text, text);
    (void)parse_api_request("GET", "/v1/random?" + text, text, {});
    (void)parse_api_request("POST", "/", text, {});
  }
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

TEST(Path, IsWrittenAndRead) {
  const Path path{"0123456789abcdef", "fedcba9876543210"};
  EXPECT_EQ(encode(path), "0123456789abcdef, fedcba9876543210");
  EXPECT_EQ(decode_path(encode(path)), path);
  EXPECT_EQ(decode_path(""), Path());
  EXPECT_EQ(decode_path("0123456789abcdef,fedcba9876543210"), path);
}

TEST(Path, RefusesWhatIsNone) {
  for (const char* text :
       {"0", "0123456789abcde", "0123456789ABCDEF", "0123456789abcdef,", "0123456789abcdef;",
        ",0123456789abcdef", "0123456789abcdef 0", "0123456789abcdef0", "0123456", "node, other"}) {
    EXPECT_FALSE(decode_path(text)) << text;
  }
}

// Ids of so many nodes.
Path nodes(std::size_t count) {
  Path path;
  for (std::size_t i = 1; i <= count; ++i) {
    path.push_back(fmt::format("{:016x}", i * 0x9e3779b97f4a7c15ULL));
  }
  return path;
}

TEST(Path, OfManyNodesNamesAllOfThemAndOfTooManyTheNearest) {
  for (const std::size_t count : {1U, 256U, 257U, 1000U, 1536U, 1537U, 5000U}) {
    const Path path = nodes(count);
    const std::string text = encode(path);
    EXPECT_LT(text.size(), 15000U) << "with the rest of a header, less than the 16 KiB of a client";
    const auto read = decode_path(text);
    ASSERT_TRUE(read) << count;
    EXPECT_EQ(read->size(), std::min(count, most_path_nodes));
    EXPECT_EQ(text.ends_with(",*"), count > most_path_nodes);
    for (std::size_t i = 0; i < std::min(count, most_path_nodes); ++i) {
      EXPECT_TRUE(leads_through(*read, path[i]));
    }
    EXPECT_FALSE(leads_through(*read, "0123456789abcdef"));
    // What a node below sends on is read there.
    EXPECT_TRUE(decode_path(encode(*read)));
  }
  EXPECT_EQ(*decode_path(encode(nodes(256))), nodes(256)) << "in full";
  std::string endless = encode(nodes(1536));
  EXPECT_FALSE(decode_path(endless + ",01234567"));
  EXPECT_TRUE(decode_path(endless + ",*"));
  EXPECT_FALSE(decode_path("*"));
  EXPECT_FALSE(decode_path("*,01234567"));
}

TEST(Path, IsFoundAmongTheExtensionsOfAChunk) {
  EXPECT_EQ(path_of_chunk(";path=\"0123456789abcdef\""), "0123456789abcdef");
  EXPECT_EQ(path_of_chunk(";a=b;path=\"\";c"), "");
  for (const char* text : {"", ";path", ";path=x", ";path=\"x", "path=\"x\""}) {
    EXPECT_FALSE(path_of_chunk(text)) << text;
  }
}

}  // namespace
}  // namespace qanat::wire
