#include "node/look.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "net/listen.h"

namespace qanat::node {
namespace {

class LookTest : public testing::Test {
 protected:
  LookTest() {
    std::string pattern = testing::TempDir() + "look_XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
  }

  // Of a file with `text`, in which D is a directory, and none of the sources by default.
  Findings look(std::string text, const std::set<std::string>& held = {}) {
    for (std::size_t at = text.find("D/"); at != std::string::npos; at = text.find("D/", at)) {
      text.replace(at, 1, directory_);
      at += directory_.size();
    }
    const Config config = parse_config(text, "q.toml");
    return look_at(config, StateDir(directory_ + "/state"), held);
  }
  // What is wrong, the places alone: "q.toml:3:8: outlet.cert".
  std::vector<std::string> wrong(const std::string& text) {
    std::vector<std::string> places;
    for (const std::string& what : look(text).wrong) {
      places.push_back(what.substr(0, what.find(": ", what.find(": ") + 1)));
    }
    return places;
  }
  std::string make(const std::string& name, const std::string& text, unsigned mode = 0600) {
    const std::string path = directory_ + "/" + name;
    std::ofstream(path) << text;
    ::chmod(path.c_str(), mode);
    return path;
  }

  std::string directory_;
};

using Places = std::vector<std::string>;

TEST_F(LookTest, EachFileThatAnOutletCannotReadHasItsLine) {
  EXPECT_EQ(wrong(R"(
[[outlet]]
name = "https://127.0.0.1:0"
cert = "D/cert.pem"
key = "D/key.pem"
ca = "D/ca.pem"
[[outlet]]
name = "broker://127.0.0.2:0"
users = "D/users"
[[outlet]]
name = "egd:D/egd"
group = "no-such-group"
)"),
            (Places{"q.toml:4:8: outlet.cert", "q.toml:6:6: outlet.ca", "q.toml:5:7: outlet.key",
                    "q.toml:9:9: outlet.users", "q.toml:12:9: outlet.group"}));
}

TEST_F(LookTest, FilesThatAreNotWhatTheyShouldBe) {
  make("text.pem", "no certificate\n");
  make("users", "no user\n");
  EXPECT_EQ(wrong("[[outlet]]\nname = \"https://127.0.0.1:0\"\ncert = \"D/text.pem\"\n"),
            Places{"q.toml:3:8: outlet.cert"});
  EXPECT_EQ(wrong("[[outlet]]\nname = \"https://127.0.0.1:0\"\nca = \"D/text.pem\"\n"),
            Places{"q.toml:3:6: outlet.ca"});
  EXPECT_EQ(wrong("[[outlet]]\nname = \"broker://127.0.0.1:0\"\nusers = \"D/users\"\n"),
            Places{"q.toml:3:9: outlet.users"});
  EXPECT_EQ(wrong("[[outlet]]\nname = \"file:/tmp\"\n"), Places{"q.toml:2:8: outlet"});
  EXPECT_EQ(wrong("[[outlet]]\nname = \"fifo:D/users\"\n"), Places{"q.toml:2:8: outlet"});
  EXPECT_EQ(wrong("[[outlet]]\nname = \"egd:D/users\"\n"), Places{"q.toml:2:8: outlet"});
  EXPECT_EQ(wrong("[[source]]\nname = \"file:/tmp\"\n[[outlet]]\nname = \"stdout\"\n"),
            Places{"q.toml:2:8: source"});
}

TEST_F(LookTest, FilesThatASourceNeeds) {
  EXPECT_EQ(wrong(R"(
[[source]]
name = "https://192.0.2.1"
ca = "D/ca.pem"
[[source]]
name = "entropykey:/dev/ttyACM0"
keyring = "D/keyring"
[[source]]
name = "broker://joe:/nonexistent@192.0.2.1"
[[outlet]]
name = "stdout"
)"),
            (Places{"q.toml:4:6: source.ca", "q.toml:7:11: source.keyring", "q.toml:9:8: source"}));
}

TEST_F(LookTest, WhatMayComeByItselfIsAbsentAndNotWrong) {
  const Findings found = look(
      "[[source]]\nname = \"device:/dev/nowhere\"\n[[source]]\nname = \"egd:D/egd\"\n"
      "[[outlet]]\nname = \"stdout\"\n");
  EXPECT_TRUE(found.wrong.empty()) << found.wrong[0];
  EXPECT_EQ(found.absent.size(), 2U);
  EXPECT_NE(found.absent.at("device:/dev/nowhere").find("No such file"), std::string::npos);
}

TEST_F(LookTest, AnAddressThatSomebodyElseHasIsToldAndOurOwnNodesIsNot) {
  const UniqueFd tcp = net::listen_tcp(spec::Address{"127.0.0.1", 0});
  const std::string address = "127.0.0.1:" + std::to_string(net::local_port(tcp.get()));
  const std::string text = "[[outlet]]\nname = \"http://" + address + "\"\n";
  const Findings found = look(text);
  ASSERT_EQ(found.wrong.size(), 1U);
  EXPECT_TRUE(found.wrong[0].starts_with("q.toml:2:8: outlet: http://" + address))
      << found.wrong[0];
  EXPECT_NE(found.wrong[0].find("already in use"), std::string::npos) << found.wrong[0];
  EXPECT_TRUE(look(text, {"tcp " + address}).wrong.empty());
  std::optional<FileId> file;
  const std::string path = directory_ + "/socket";
  const UniqueFd local = net::listen_unix(path, 0600, &file);
  EXPECT_EQ(look("[[outlet]]\nname = \"egd:D/socket\"\n").wrong.size(), 1U);
  EXPECT_TRUE(look("[[outlet]]\nname = \"egd:D/socket\"\n", {path}).wrong.empty());
  EXPECT_EQ(file_id(path), file) << "looking takes nothing away";
}

TEST_F(LookTest, LookingLeavesNothingBehind) {
  (void)look(
      "[[outlet]]\nname = \"egd:D/new/egd\"\n[[outlet]]\nname = \"fifo:D/fifo\"\n"
      "[[outlet]]\nname = \"http://127.0.0.1:0\"\n[[outlet]]\nname = \"file:D/seed\"\n");
  EXPECT_EQ(::rmdir(directory_.c_str()), 0) << "it is empty";
}

TEST_F(LookTest, AStateDirectoryThatCannotBeIsWrong) {
  make("state", "a file\n");
  const Findings found = look("[[outlet]]\nname = \"stdout\"\n");
  ASSERT_EQ(found.wrong.size(), 1U);
  EXPECT_NE(found.wrong[0].find("is not a directory"), std::string::npos) << found.wrong[0];
}

TEST_F(LookTest, AKeyThatWasLostIsToldBeforeTheStart) {
  ASSERT_EQ(::mkdir((directory_ + "/state").c_str(), 0700), 0);
  make("state/server.crt", "x");
  const Findings found = look("[[outlet]]\nname = \"stdout\"\n");
  ASSERT_EQ(found.wrong.size(), 1U);
  EXPECT_NE(found.wrong[0].find("server.key is missing"), std::string::npos) << found.wrong[0];
}

TEST_F(LookTest, CommandsThatAreNotThereAreWarnedOf) {
  const Findings found = look(R"(
[node]
on-reseed = ["/nonexistent/reload", "true"]
[[alarm]]
command = "/nonexistent/alarm"
[[outlet]]
name = "trickle://127.0.0.1:0"
)");
  EXPECT_TRUE(found.wrong.empty());
  ASSERT_EQ(found.warnings.size(), 3U);
  EXPECT_TRUE(found.warnings[0].starts_with("q.toml:3:13: node.on-reseed: cannot run "))
      << found.warnings[0];
  EXPECT_TRUE(found.warnings[1].starts_with("q.toml:5:11: alarm.command: ")) << found.warnings[1];
  EXPECT_NE(found.warnings[2].find("no https outlet"), std::string::npos) << found.warnings[2];
}

}  // namespace
}  // namespace qanat::node
