#include "node/config.h"

#include <gtest/gtest.h>

#include "outlets/registry.h"

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
      complaint("[reserve]\nsize = true\n").starts_with("q.toml:2:8: reserve.size: write a size"));
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

TEST(Config, TellsAllThatIsWrongInOrderOfItsLines) {
  Problems problems;
  const Config config = parse_config(R"([node]
threads = "two"
nonsense = 1
[limits]
idle = "1ms"
[[source]]
name = "jitter"
h = 99
baud = 1
[[source]]
name = "rdseed"
[[outlet]]
name = "nonsense"
[[client]]
rate = 1
[drbg]
reseed-interval = "0s"
)",
                                     "q.toml", problems);
  std::vector<std::string> lines;
  for (const std::string& problem : problems) {
    lines.push_back(problem.substr(7, problem.find(':', 7) - 7));
  }
  EXPECT_EQ(lines, (std::vector<std::string>{"2", "3", "5", "8", "9", "13", "14", "17"}));
  EXPECT_EQ(config.sources, std::vector<std::string>{"rdseed"}) << "what is right is taken";
  EXPECT_EQ(config.threads, Config().threads);
  EXPECT_EQ(problems[0], "q.toml:2:11: node.threads: write a number from 1 to 256");
  try {
    refuse(problems);
    FAIL();
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.what(), problems[0] + " (and 7 more: 'qanat check' tells all)");
  }
}

TEST(Config, AKeyOfAnotherTypeIsToldWhatItWants) {
  for (const auto& [text, wanted] : std::initializer_list<std::pair<const char*, const char*>>{
           {"[node]\nthreads = \"two\"\n", "a number from 1 to 256"},
           {"[node]\nquorum = true\n", "a number from 1 to 16"},
           {"[limits]\nconnections = \"many\"\n", "a number from 1 to 1000000"},
           {"[reserve]\nsize = [1]\n", "a size from 4KiB to 1GiB, like 65536 or \"256KiB\""},
           {"[drbg]\nclient-rate = \"fast\"\n", "a rate, like \"1KiB/s\""},
           {"[drbg]\nreseed-interval = \"often\"\n", "a time from 1s to 24h, like \"60s\""},
           {"[[client]]\nname = \"a\"\nweight = \"x\"\n", "a number from 0.001 to 1000"}}) {
    EXPECT_NE(complaint(text).find(std::string("write ") + wanted), std::string::npos)
        << complaint(text);
  }
}

TEST(Config, KeysMayBeWrittenWithEitherMark) {
  const std::string plain =
      "[node]\non-reseed = \"true\"\n[drbg]\nreseed-interval = \"30s\"\nclient-rate = 5\n"
      "[limits]\nfull-bytes = \"32KiB\"\n";
  std::string other = plain;
  for (char& c : other) c = c == '-' ? '_' : c;
  for (const std::string& text : {plain, other}) {
    const Config config = parse_config(text, "q.toml");
    EXPECT_EQ(config.on_reseed.size(), 1U);
    EXPECT_EQ(config.reseed.interval, Duration(30s));
    EXPECT_EQ(config.limits.client_drbg.rate, 5U);
    EXPECT_EQ(config.limits.request_full_bytes, 32U << 10);
  }
  EXPECT_NE(complaint("[drbg]\nreseed-bytes = \"1MiB\"\nreseed_bytes = \"2MiB\"\n").find("twice"),
            std::string::npos);
  EXPECT_EQ(complaint("[[source]]\nname = \"pkcs11:token=t\"\nmodule_path = \"/m.so\"\n"), "");
}

TEST(Config, AByteOrderMarkIsSkipped) {
  EXPECT_EQ(complaint("\xef\xbb\xbf[node]\nthreads = 1\n"), "");
  EXPECT_NE(complaint("[node]\n\xef\xbb\xbfthreads = 1\n"), "") << "in the middle it is none";
}

TEST(Config, KnowsWhereAnOptionStands) {
  const Config config = parse_config(
      "[[outlet]]\nname = \"https://*:1\"\ncert = \"/c\"\n[[source]]\nname = \"jitter?h=1\"\n",
      "q.toml");
  EXPECT_EQ(config.place_of("outlet", config.outlets[0]), "q.toml:2:8: ");
  EXPECT_EQ(config.place_of("outlet", config.outlets[0], "cert"), "q.toml:3:8: ");
  EXPECT_EQ(config.place_of("outlet", config.outlets[0], "key"), "q.toml:2:8: ") << "no line";
  EXPECT_EQ(config.place_of("source", "jitter?h=1", "h"), "q.toml:5:8: ");
  EXPECT_EQ(config.place_of("source", "rdseed"), "") << "of the command line";
}

TEST(Config, SaysWhichDefaultOutletsThereAreNot) {
  Config config;
  config.outlets = {"https://*:7749"};
  const std::string said = replaced_outlets(config, "");
  EXPECT_NE(said.find("http://127.0.0.1:7748"), std::string::npos) << said;
  EXPECT_NE(said.find("--outlet 'http://127.0.0.1:7748'"), std::string::npos) << said;
  config.outlets = outlets::default_outlets();
  EXPECT_EQ(replaced_outlets(config, ""), "");
  config.outlets = {"http://*:7748?access=open"};
  EXPECT_EQ(replaced_outlets(config, "q.toml").find("7748"), std::string::npos);
}

TEST(Config, AQuorumMustBePossible) {
  Config config;
  config.quorum = 2;
  config.sources = {"hwrng"};
  EXPECT_THROW(check_config(config), Failure) << "of upstreams, of which there are none";
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
  // Two are wrong: each at its own line.
  Problems both;
  (void)parse_config("[[source]]\nh = 99\nname = \"jitter\"\nfoo = 1\n", "q.toml", both);
  ASSERT_EQ(both.size(), 2U);
  EXPECT_TRUE(both[0].starts_with("q.toml:2:5: source: jitter?h=99: h=99 is not")) << both[0];
  EXPECT_TRUE(both[1].starts_with("q.toml:4:7: source: ")) << both[1];
  EXPECT_NE(both[1].find("'foo'"), std::string::npos) << both[1];
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

TEST(Config, TextWithoutQuotesIsTold) {
  EXPECT_TRUE(complaint("[observe]\nlog = json\n").ends_with("; put text in quotes"));
  EXPECT_TRUE(complaint("[[source]]\nname = jitter\n").ends_with("; put text in quotes"));
  EXPECT_EQ(complaint("[observe\n").find("quotes"), std::string::npos);
}

TEST(Config, RefusesLimitsThatBreakAnOutlet) {
  EXPECT_EQ(
      complaint("[limits]\nfull_bytes = 256\n"),
      "q.toml:2:14: limits.full_bytes: write a size from 8KiB to 16MiB, like 65536 or \"256KiB\"");
  EXPECT_EQ(
      complaint("[limits]\nfull_bytes = \"1GiB\"\n"),
      "q.toml:2:14: limits.full_bytes: write a size from 8KiB to 16MiB, like 65536 or \"256KiB\"");
  EXPECT_EQ(complaint("[limits]\nconnections = 0\n"),
            "q.toml:2:15: limits.connections: write a number from 1 to 1000000");
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
