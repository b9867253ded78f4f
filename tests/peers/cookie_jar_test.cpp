#include "peers/cookie_jar.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>

#include "support/noise.h"

namespace qanat::peers {
namespace {

using test::Samples;
using wire::trickle::KeyedCookie;

constexpr UnixTime now = 1700000000;

class CookieJarTest : public testing::Test {
 protected:
  CookieJarTest() {
    std::filesystem::create_directories(directory_);
    server_.address.ss_family = AF_INET6;
    auto& in = reinterpret_cast<sockaddr_in6&>(server_.address);
    in.sin6_port = htons(7749);
    in.sin6_addr.s6_addr[15] = 9;
    in.sin6_scope_id = 3;
    server_.key[0] = 77;
    server_.lifetime = 3600;
  }
  ~CookieJarTest() override { std::filesystem::remove_all(directory_); }

  static std::vector<KeyedCookie> cookies(std::size_t count, std::uint8_t first) {
    std::vector<KeyedCookie> made;
    for (std::size_t i = 0; i < count; ++i) {
      const auto number = static_cast<std::uint8_t>(first + i);
      KeyedCookie held{{}, SecretBytes(Bytes(test::constant(64, number)))};
      held.cookie.fill(number);
      made.push_back(std::move(held));
    }
    return made;
  }
  static int number(const std::optional<KeyedCookie>& held) {
    if (!held) return -1;
    EXPECT_EQ(held->keys.view()[63], held->cookie[127]);
    return held->cookie[0];
  }
  std::string content() const {
    std::ifstream file(path_);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  const std::string directory_ = testing::TempDir() + "/qanat-jar-" + std::to_string(::getpid());
  const std::string path_ = directory_ + "/jar";
  CookieJar::Server server_;
};

TEST_F(CookieJarTest, KeepsCookiesForTheNextProcess) {
  CookieJar(path_).restart(server_, cookies(8, 1), now);
  CookieJar jar(path_);
  EXPECT_EQ(jar.count(now), 8U);
  const auto server = jar.server();
  ASSERT_TRUE(server);
  EXPECT_EQ(std::memcmp(&server->address, &server_.address, sizeof(sockaddr_in6)), 0);
  EXPECT_EQ(server->key, server_.key);
  std::set<int> seen;
  for (int i = 0; i < 8; ++i) seen.insert(number(CookieJar(path_).take(now)));
  EXPECT_EQ(seen.size(), 8U) << "each once, whoever takes it";
  EXPECT_FALSE(seen.contains(-1));
  EXPECT_FALSE(jar.take(now));
  struct stat info {};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

TEST_F(CookieJarTest, WhatIsTakenIsGoneFromTheFile) {
  CookieJar jar(path_);
  jar.restart(server_, cookies(1, 200), now);
  EXPECT_NE(content().find(std::string(60, '\xc8')), std::string::npos);
  EXPECT_EQ(number(jar.take(now)), 200);
  EXPECT_EQ(content().find(std::string(4, '\xc8')), std::string::npos);
}

TEST_F(CookieJarTest, TheNewestGoesFirstAndTheOldestMakesRoom) {
  CookieJar jar("");
  jar.restart(server_, cookies(8, 1), now);
  jar.put(cookies(3, 50), now + 60);
  EXPECT_EQ(jar.count(now + 60), 8U);
  std::set<int> first;
  for (int i = 0; i < 3; ++i) first.insert(number(jar.take(now + 60)));
  EXPECT_EQ(first, (std::set<int>{50, 51, 52}));
  EXPECT_EQ(jar.count(now + 60), 5U);
  // Put back, it is as old as it was.
  auto old = jar.take(now + 60);
  std::vector<KeyedCookie> back;
  back.push_back(std::move(*old));
  jar.put(back, now + 60);
  EXPECT_EQ(jar.count(now + 3601), 0U);
}

TEST_F(CookieJarTest, OldCookiesAreNotCountedAndAWrongClockIsForgiven) {
  CookieJar jar("");
  jar.restart(server_, cookies(8, 1), now);
  EXPECT_EQ(jar.count(now + 3600), 8U);
  EXPECT_EQ(jar.count(now + 3601), 0U);
  EXPECT_FALSE(jar.take(now + 3601));
  EXPECT_EQ(jar.count(0), 8U) << "1970: a machine without a battery";
  server_.lifetime = ~UnixTime{0};
  jar.restart(server_, cookies(8, 1), now);
  EXPECT_EQ(jar.count(now + 86401), 0U) << "a day, whatever a server says";
}

TEST_F(CookieJarTest, SilenceEndsByItself) {
  CookieJar jar(path_);
  jar.restart(server_, cookies(8, 1), now);
  jar.fall_silent(now + 600);
  EXPECT_EQ(jar.count(now), 0U);
  EXPECT_FALSE(jar.server());
  EXPECT_TRUE(CookieJar(path_).silent(now + 599));
  EXPECT_FALSE(jar.silent(now + 600));
  EXPECT_FALSE(jar.silent(now - 86400)) << "the clock was set back";
}

TEST_F(CookieJarTest, DamageCostsWhatIsDamagedAndNoMore) {
  CookieJar jar("");
  jar.restart(server_, cookies(8, 1), now);
  const Samples image(jar.image().begin(), jar.image().end());
  for (std::size_t i = 0; i < image.size(); ++i) {
    Samples bent = image;
    bent[i] ^= 1;
    CookieJar other("");
    const bool header = i < 128;
    EXPECT_EQ(other.load(bent), !header) << i;
    EXPECT_EQ(other.count(now), header ? 0U : 7U) << i;
  }
  for (std::size_t size = 0; size < image.size(); size += 7) {
    CookieJar other("");
    EXPECT_FALSE(other.load(Bytes(image).first(size)));
    EXPECT_FALSE(other.take(now));
  }
}

TEST_F(CookieJarTest, WithoutAFileThereIsMemory) {
  for (const std::string& path : {std::string("/proc/nothing/here"), directory_}) {
    CookieJar jar(path);
    jar.restart(server_, cookies(8, 1), now);
    EXPECT_EQ(jar.count(now), 8U) << path;
    EXPECT_NE(number(jar.take(now)), -1);
    EXPECT_EQ(jar.count(now), 7U);
  }
}

TEST_F(CookieJarTest, AFileThatOthersCanReadIsNoSecret) {
  CookieJar(path_).restart(server_, cookies(8, 1), now);
  ASSERT_EQ(::chmod(path_.c_str(), 0644), 0);
  EXPECT_EQ(CookieJar(path_).count(now), 0U);
}

}  // namespace
}  // namespace qanat::peers
