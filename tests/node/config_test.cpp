#include "node/config.h"

#include <gtest/gtest.h>

namespace qanat::node {
namespace {

using namespace std::chrono_literals;

std::string complaint(std::string_view text) {
  try {
    (void)parse_config(text, "q.toml");
  } catch (const Failure& problem) {
    return problem.what();
  }
  return "";
}

TEST(Config, ReadsEverything) {
  const Config config = parse_config(R"(
[node]
threads = 4
[reserve]
size = "1MiB"
[drbg]
reseed_interval = "30s"
reseed_bytes = "16MiB"
[limits]
connections = 500
full_bytes = "32KiB"
idle = "75s"
[[source]]
name = "device:/dev/ttyUSB0?h=6"
baud = 115200
[[source]]
name = "hwrng"
credit = false
h = 7.5
[[outlet]]
name = "https://0.0.0.0:7749"
[[client]]
name = "router"
rate = "1KiB/s"
weight = 2
)",
                                     "q.toml");
  EXPECT_EQ(config.threads, 4U);
  EXPECT_EQ(config.reserve_bytes, 1U << 20);
  EXPECT_EQ(config.reseed.interval, Duration(30s));
  EXPECT_EQ(config.limits.connections, 500U);
  EXPECT_EQ(config.limits.idle, Duration(75s));
  EXPECT_EQ(config.sources, (std::vector<std::string>{"device:/dev/ttyUSB0?h=6&baud=115200",
                                                      "hwrng?credit=no&h=7.5"}));
  EXPECT_EQ(config.clients.at("router").rate, 1024U);
  EXPECT_EQ(config.clients.at("router").weight, 2);
}

TEST(Config, SaysFileLineAndKey) {
  EXPECT_TRUE(
      complaint("[reserve]\nsze = 5\n").starts_with("q.toml:2:1: reserve.sze: unknown key"));
  EXPECT_TRUE(
      complaint("[reserve]\nsize = true\n").starts_with("q.toml:2:8: reserve.size: write it like"));
  EXPECT_TRUE(complaint("x = [\n").starts_with("q.toml:"));
  EXPECT_TRUE(complaint("\n\n[[source]]\nname = \"hwrng?h=11\"\n").starts_with("q.toml:4:"));
  EXPECT_TRUE(complaint("[node]\n[\x1b[x]\n").starts_with("q.toml:2:2: a control character"));
  EXPECT_NE(complaint("[[source]]\nh = 3\n").find("has no name"), std::string::npos);
  EXPECT_NE(complaint("[[source]]\nname = 3\n").find("source.name"), std::string::npos);
  EXPECT_NE(complaint("[source]\nname = \"hwrng\"\n").find("[[source]]"), std::string::npos);
  EXPECT_NE(complaint("reserve = 3\n").find("[reserve]"), std::string::npos);
  EXPECT_NE(complaint("[[outlet]]\nname = \"http://0.0.0.0:1\"\n").find("access=open"),
            std::string::npos);
  EXPECT_NE(complaint("[[client]]\nname = \"a b\"\n").find("client.name"), std::string::npos);
  EXPECT_NE(
      complaint("[[client]]\nname = \"a\"\nweight = -1\n").find("client a: weight -1 is not from"),
      std::string::npos);
  EXPECT_NE(complaint("[[client]]\nname = \"a\"\nrate = \"9999GiB/s\"\n").find("is more than"),
            std::string::npos);
  EXPECT_NE(complaint("[[client]]\nname = \"a\"\nburst = \"1KiB\"\n").find("give a rate too"),
            std::string::npos);
  EXPECT_NE(complaint("[[client]]\nname = \"a\"\n[[client]]\nname = \"a\"\n").find("named twice"),
            std::string::npos);
  EXPECT_NE(complaint("[[outlet]]\nname = \"kernel\"\nweight = 0\n").find("weight 0 is not from"),
            std::string::npos);
  EXPECT_NE(complaint("[node]\nthreads = 0\n").find("from 1 to 256"), std::string::npos);
}

TEST(Config, AQuorumMustBePossible) {
  Config config;
  config.quorum = 2;
  config.sources = {"hwrng"};
  EXPECT_NO_THROW(check_config(config)) << "of upstreams, of which there are none";
  config.sources = {"hwrng", "https://a.test:1"};
  EXPECT_THROW(check_config(config), Failure);
  config.sources = {"https://a.test:1", "https://b.test:1"};
  EXPECT_NO_THROW(check_config(config));
  const std::string pin(64, 'a');
  config.sources = {"https://a.test:1?pin=" + pin, "https://b.test:1?pin=" + pin};
  EXPECT_THROW(check_config(config), Failure);
  EXPECT_THROW(parse_config("[node]\nquorum = 0\n", "q.toml"), Failure);
}

TEST(Config, TwoOutletsAtOnePlaceAreOneTooMany) {
  const std::string two =
      "[[outlet]]\nname = \"http://127.0.0.1:7748\"\n[[outlet]]\nname = "
      "\"https://127.0.0.1:7748\"\n";
  EXPECT_TRUE(complaint(two).starts_with("q.toml:4:8:"));
  EXPECT_NE(complaint(two).find("same place"), std::string::npos);
}

TEST(Config, NamesTheLineOfTheKeyThatIsWrong) {
  const auto at = [](const std::string& text) {
    const std::string said = complaint(text);
    return said.substr(0, said.find(' '));
  };
  EXPECT_EQ(at("\n[[source]]\nname = \"jitter\"\nh = 99\n"), "q.toml:4:5:");
  EXPECT_EQ(at("[[source]]\ncredit = \"no\"\nname = \"jiter\"\n"), "q.toml:3:8:");
  // Two are wrong: the one that is told of.
  const std::string both = "[[source]]\nh = 99\nname = \"jitter\"\nfoo = 1\n";
  EXPECT_NE(complaint(both).find("'foo'"), std::string::npos);
  EXPECT_EQ(at(both), "q.toml:4:7:");
  // An option that lacks another, and a name that lacks one.
  EXPECT_EQ(at("[[outlet]]\nname = \"https://*:1\"\naccess = \"ca\"\n"), "q.toml:3:10:");
  EXPECT_EQ(at("[[outlet]]\ngrade = \"drbg\"\nname = \"egd://0.0.0.0:1\"\n"), "q.toml:3:8:");
  EXPECT_EQ(at("[[client]]\nname = \"a\"\n\nburst = \"1KiB\"\n"), "q.toml:4:9:");
  EXPECT_TRUE(complaint("frob = 1\n").starts_with("q.toml:1:1: frob: unknown key"));
  EXPECT_TRUE(complaint("[[client]]\nrate = 1\n").starts_with("q.toml:1:1: client: has no name"));
}

TEST(Config, WarnsOfTrickleThatNobodyCanBegin) {
  Config config;
  config.outlets = {"trickle://*:7749"};
  ASSERT_EQ(config_warnings(config).size(), 1U);
  EXPECT_NE(config_warnings(config)[0].find("trickle.key"), std::string::npos);
  config.outlets.emplace_back("https://*:7749");
  EXPECT_TRUE(config_warnings(config).empty());
  config.outlets = {"http://127.0.0.1:7748"};
  EXPECT_TRUE(config_warnings(config).empty());
}

TEST(Config, UnreadableFilesAreFailures) {
  EXPECT_THROW((void)load_config("/nonexistent/qanat.toml"), Failure);
  EXPECT_THROW((void)load_config("/"), Failure);
}

TEST(Config, RefusesLimitsThatBreakAnOutlet) {
  EXPECT_EQ(complaint("[limits]\nfull_bytes = 256\n"),
            "q.toml:2:14: limits.full_bytes: from 8KiB to 16MiB");
  EXPECT_EQ(complaint("[limits]\nfull_bytes = \"1GiB\"\n"),
            "q.toml:2:14: limits.full_bytes: from 8KiB to 16MiB");
  EXPECT_EQ(complaint("[limits]\nconnections = 0\n"),
            "q.toml:2:15: limits.connections: from 1 to 1000000");
  for (const std::string key : {"handshake", "header", "write", "idle"}) {
    for (const std::string value : {"0", "\"1ms\"", "\"999h\""}) {
      EXPECT_NE(complaint("[limits]\n" + key + " = " + value + "\n").find("limits." + key),
                std::string::npos)
          << key << " = " << value;
    }
  }
  EXPECT_NE(complaint("[limits]\ndrbg_bytes = 1\n"), "");
  EXPECT_NE(complaint("[drbg]\nreseed_interval = \"1ms\"\n"), "");
  EXPECT_NE(complaint("[drbg]\nreseed_bytes = 1\n"), "");
  EXPECT_EQ(complaint("[limits]\nfull_bytes = \"8KiB\"\nidle = \"1s\"\n"), "");
}

TEST(Config, NamesWhatAReloadCannotChange) {
  const Config before;
  Config after;
  EXPECT_EQ(after.core_changes(before), "");
  after.limits.connections = 7;
  EXPECT_EQ(after.core_changes(before), "") << "a reload can";
  after.threads = 3;
  after.reserve_bytes = 1 << 20;
  EXPECT_EQ(after.core_changes(before), "node.threads, reserve.size");
}

}  // namespace
}  // namespace qanat::node
