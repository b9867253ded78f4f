#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <thread>

#include "base/backoff.h"
#include "base/block_writer.h"
#include "base/bytes.h"
#include "base/files.h"
#include "base/line_limiter.h"
#include "base/quantity.h"
#include "base/secret.h"
#include "base/shown.h"
#include "base/timing_noise.h"
#include "base/trusted_path.h"
#include "base/waker.h"

namespace qanat {
namespace {

using namespace std::chrono_literals;

TEST(Files, WhatMustBeRegularIsNeverWaitedFor) {
  const std::string path = testing::TempDir() + "/qanat-fifo";
  ::unlink(path.c_str());
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const auto text = read_file(path, 100, FileKind::regular);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().message, path + " is not a regular file");
  EXPECT_FALSE(read_secret_file(path, 100, FileKind::regular));
  ::unlink(path.c_str());
  EXPECT_FALSE(read_file("/dev/zero", 100, FileKind::regular));
}

TEST(LineLimiter, TheFirstAtOnceThenASum) {
  using namespace std::chrono_literals;
  LineLimiter limiter(2);
  const TimePoint start{1h};
  EXPECT_TRUE(limiter.admit("guest 5", "one", start));
  EXPECT_TRUE(limiter.admit("guest 5", "two", start));
  for (int i = 0; i < 512; ++i) EXPECT_FALSE(limiter.admit("guest 5", "more", start + 3s));
  EXPECT_TRUE(limiter.admit("guest 6", "one", start + 3s)) << "nobody else is silenced for it";
  EXPECT_TRUE(limiter.sums(start + 59s).empty());
  const auto sums = limiter.sums(start + 60s);
  ASSERT_EQ(sums.size(), 1U);
  EXPECT_EQ(sums[0].key, "guest 5");
  EXPECT_EQ(sums[0].text(), "and 512 more in 60 s, the last: more");
  EXPECT_TRUE(limiter.sums(start + 120s).empty()) << "told once";
  EXPECT_TRUE(limiter.admit("guest 5", "later", start + 120s));
}

TEST(LineLimiter, WhatNobodyAskedForStaysInTheSum) {
  using namespace std::chrono_literals;
  LineLimiter limiter(1);
  const TimePoint start{1h};
  for (int i = 0; i < 3; ++i) (void)limiter.admit("a", "first minute", start);
  for (int i = 0; i < 3; ++i) (void)limiter.admit("a", "third minute", start + 150s);
  EXPECT_TRUE(limiter.sums(start + 160s).empty());
  const auto sums = limiter.all_sums();
  ASSERT_EQ(sums.size(), 1U);
  EXPECT_EQ(sums[0].lines, 4U);
}

TEST(LineLimiter, KeysThatAnybodyCanMakeUpCostNoMoreThanTheirTable) {
  LineLimiter limiter(3);
  const TimePoint start{std::chrono::hours(1)};
  std::size_t written = 0;
  for (int i = 0; i < 100000; ++i) {
    if (limiter.admit(std::to_string(i), "line", start)) ++written;
  }
  EXPECT_EQ(written, LineLimiter::most_keys + 3) << "the rest is one kind";
}

TEST(Error, ALibrarysNumbersAndPlacesAreNotSaid) {
  for (const auto& [said, meant] : std::initializer_list<std::pair<const char*, const char*>>{
           {"bind: Address already in use [system:98 at /usr/include/x.hpp:4:9 in function 'f']",
            "bind: Address already in use"},
           {"short read [asio.ssl.stream:1]", "short read"},
           {"wrong version number (SSL routines) [asio.ssl:167772427]",
            "wrong version number (SSL routines)"},
           {"write [HOST]:PORT, such as [::1]:7749", "write [HOST]:PORT, such as [::1]:7749"},
           {"a: b", "a: b"}}) {
    EXPECT_EQ(plain_what(std::runtime_error(said)), meant);
  }
  EXPECT_EQ(plain_what(std::bad_alloc()), "out of memory (std::bad_alloc)");
}

TEST(Bytes, TextForms) {
  // RFC 4648, section 10.
  for (const auto& [plain, coded] : {std::pair{"", ""},
                                     {"f", "Zg=="},
                                     {"fo", "Zm8="},
                                     {"foo", "Zm9v"},
                                     {"foob", "Zm9vYg=="},
                                     {"foobar", "Zm9vYmFy"}}) {
    EXPECT_EQ(to_base64(as_bytes(plain)), coded);
    const auto url = to_base64url(as_bytes(plain));
    const auto back = from_base64url(url);
    ASSERT_TRUE(back);
    EXPECT_EQ(as_text(*back), plain);
  }
  EXPECT_EQ(to_hex(as_bytes("\x01\xaf")), "01af");
  EXPECT_EQ(*from_hex("01AF"), (std::vector<std::uint8_t>{1, 0xaf}));
  EXPECT_FALSE(from_hex("0"));
  EXPECT_FALSE(from_hex("0g"));
  EXPECT_FALSE(from_base64url("a+b"));
}

TEST(SecretPool, GivesBackWhatABurstTook) {
  SecretPool pool(64);
  std::vector<SecretPool::Lease> leases;
  for (int i = 0; i < 1000; ++i) leases.push_back(pool.lease());
  EXPECT_GE(pool.bytes(), 64000U);
  std::set<std::uint8_t*> blocks;
  for (const auto& lease : leases) blocks.insert(lease.view().data());
  EXPECT_EQ(blocks.size(), 1000U) << "each is leased once";
  // In another order than they came.
  for (std::size_t i = 0; i < leases.size(); i += 2) leases[i] = {};
  while (leases.size() > 1) leases.pop_back();
  EXPECT_LE(pool.bytes(), 2U * 16 * 64) << "one in use, one in reserve";
  leases.clear();
  EXPECT_EQ(pool.bytes(), 16U * 64);
  for (int i = 0; i < 40; ++i) leases.push_back(pool.lease());
  EXPECT_EQ(pool.bytes(), 3U * 16 * 64);
}

TEST(Quantity, SizesThatPeopleWrite) {
  EXPECT_EQ(parse_size("64"), 64U);
  EXPECT_EQ(parse_size("100M"), 100000000U);
  EXPECT_EQ(parse_size("1k"), 1000U);
  EXPECT_EQ(parse_size("1KiB"), 1024U);
  EXPECT_EQ(parse_size("4 KiB"), 4096U);
  EXPECT_EQ(parse_rate("1KiB/s"), 1024U);
  for (const char* bad : {"", "-1", "1e9", "1.5k", "k", "1X", "99999999999999999999", "+1", " 1",
                          "9223372036854775807G"}) {
    EXPECT_FALSE(parse_size(bad)) << bad;
  }
}

TEST(Quantity, Durations) {
  EXPECT_EQ(parse_duration("60s"), Duration(60s));
  EXPECT_EQ(parse_duration("250ms"), Duration(250ms));
  EXPECT_EQ(parse_duration("2h"), Duration(2h));
  EXPECT_EQ(parse_duration("5"), Duration(5s));
  EXPECT_FALSE(parse_duration("soon"));
  EXPECT_FALSE(parse_duration("99999999d"));
  EXPECT_EQ(parse_duration("1m30s"), Duration(90s));
  EXPECT_EQ(parse_duration("1d 2h 3min 4s 5ms"), Duration(93784s + 5ms));
  EXPECT_EQ(parse_duration("3659d 23h"), Duration(24h * 3659 + 23h));
  for (const Duration each : {Duration(90s), Duration(5h + 7min), Duration(49h)}) {
    EXPECT_EQ(parse_duration(format_duration(each)), each) << format_duration(each);
  }
  for (const char* wrong : {"", " ", "1m1m", "1m1min", "30s1m", "5 5", "1h30", "1m30s ago", "m",
                            "1m-3s", "3660d1ms", "1m  30s", "1m, 30s", "1.5m"}) {
    EXPECT_FALSE(parse_duration(wrong)) << wrong;
  }
  EXPECT_EQ(format_duration(302s), "5 min 2 s");
  EXPECT_EQ(format_size(262144), "256 KiB");
  EXPECT_EQ(format_size(9933), "9.7 KiB");
  EXPECT_EQ(format_size(0), "0 B");
  EXPECT_EQ(format_size(1048575), "1.0 MiB");
}

TEST(Backoff, GrowsToItsCapAndStartsOver) {
  Backoff backoff(1s, 60s, 1);
  Duration longest{};
  for (int i = 0; i < 100; ++i) {
    const Duration delay = backoff.next();
    EXPECT_GE(delay, 0s);
    EXPECT_LE(delay, std::min<Duration>(60s, 1s * (1LL << std::min(i, 20))));
    longest = std::max(longest, delay);
  }
  EXPECT_GT(longest, 30s);
  backoff.reset();
  EXPECT_LE(backoff.next(), 1s);
}

TEST(Secret, PoolLeasesAreDistinctAndReturn) {
  SecretPool pool(4096);
  std::vector<SecretPool::Lease> leases;
  std::vector<std::uint8_t*> blocks;
  for (int i = 0; i < 40; ++i) {
    leases.push_back(pool.lease());
    blocks.push_back(leases.back().view().data());
    EXPECT_EQ(leases.back().view().size(), 4096U);
  }
  std::sort(blocks.begin(), blocks.end());
  EXPECT_EQ(std::unique(blocks.begin(), blocks.end()), blocks.end());
  leases.clear();
  const auto again = pool.lease();
  EXPECT_TRUE(std::binary_search(blocks.begin(), blocks.end(), again.view().data()));
}

class FilesTest : public testing::Test {
 protected:
  FilesTest() {
    std::string pattern = testing::TempDir() + "/qanat-files-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
  }
  std::string directory_;
};

TEST_F(FilesTest, ReplaceIsWholeAndPrivate) {
  const std::string path = directory_ + "/seed";
  ASSERT_TRUE(replace_file(path, as_bytes("one"), 0600));
  ASSERT_TRUE(replace_file(path, as_bytes("two"), 0600));
  EXPECT_EQ(*read_file(path), "two");
  struct stat info {};
  ::stat(path.c_str(), &info);
  EXPECT_EQ(info.st_mode & 07777, 0600U);
}

TEST_F(FilesTest, ANewFileReplacesNothing) {
  const std::string path = directory_ + "/new";
  ASSERT_TRUE(write_new_file(path, as_bytes("one"), 0600));
  struct stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0600U);
  const auto again = write_new_file(path, as_bytes("two"), 0600);
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().message.find("File exists"), std::string::npos) << again.error().message;
  EXPECT_EQ(*read_file(path), "one");
  const std::string link = directory_ + "/link";
  ASSERT_EQ(::symlink("nowhere", link.c_str()), 0);
  EXPECT_FALSE(write_new_file(link, as_bytes("two"), 0600));
  EXPECT_EQ(remove_temporaries(directory_), 0U) << "nothing is left behind";
}

TEST_F(FilesTest, SaysWhetherAFileCouldBeMade) {
  EXPECT_EQ(why_not_made(directory_ + "/x"), 0);
  EXPECT_EQ(why_not_made(directory_ + "/one/x"), 0) << "as its directory is made, too";
  EXPECT_EQ(why_not_made(directory_ + "/one/two/x"), ENOENT);
  EXPECT_NE(why_not_made("/proc/self/status/x"), 0);
}

TEST_F(FilesTest, WhatAKilledWriterLeftIsRemovedAndNothingElse) {
  const auto make = [&](const std::string& name) {
    return UniqueFd(::open((directory_ + "/" + name).c_str(), O_WRONLY | O_CREAT, 0600));
  };
  (void)make(".seed.qanat-17-1");
  (void)make(".other.qanat-17-1");
  (void)make("seed.backup");
  (void)make(".seed.qanat-17-2");
  const UniqueFd written = make(".seed.qanat-18-1");
  ASSERT_EQ(::flock(written.get(), LOCK_EX), 0);
  ASSERT_EQ(::symlink("seed.backup", (directory_ + "/.seed.qanat-19-1").c_str()), 0);
  EXPECT_EQ(remove_temporaries(directory_, "seed"), 2U);
  const auto there = [&](const char* name) {
    struct stat info {};
    return ::lstat((directory_ + "/" + name).c_str(), &info) == 0;
  };
  EXPECT_TRUE(there("seed.backup") && there(".other.qanat-17-1"));
  EXPECT_TRUE(there(".seed.qanat-18-1")) << "its writer lives";
  EXPECT_TRUE(there(".seed.qanat-19-1")) << "a link is nobody's temporary";
  EXPECT_EQ(remove_temporaries(directory_), 1U);
  ASSERT_TRUE(replace_file(directory_ + "/seed", as_bytes("x"), 0600));
  EXPECT_EQ(remove_temporaries(directory_), 0U) << "replace_file leaves none";
}

TEST_F(FilesTest, ADirectoryIsOnlyOursWhereNobodyElseCanChangeIt) {
  const std::string state = directory_ + "/a/state";
  ASSERT_EQ(::mkdir((directory_ + "/a").c_str(), 0700), 0);
  EXPECT_TRUE(only_ours(state)) << "what is not there yet is passed over";
  ASSERT_EQ(::mkdir(state.c_str(), 0700), 0);
  EXPECT_TRUE(only_ours(state)) << only_ours(state).error().message;
  const auto refused = [&](const char* words) {
    const auto outcome = only_ours(state);
    return !outcome && outcome.error().message.find(words) != std::string::npos;
  };
  ::chmod(state.c_str(), 0777);
  EXPECT_TRUE(refused("chmod 700"));
  ::chmod(state.c_str(), 01777);
  EXPECT_TRUE(refused("chmod 700")) << "a sticky bit lets others add files";
  ::chmod(state.c_str(), 0755);
  EXPECT_TRUE(only_ours(state)) << "its files are for the owner only";
  ::chmod((directory_ + "/a").c_str(), 0770);
  EXPECT_TRUE(refused("chmod go-w"));
  ::chmod((directory_ + "/a").c_str(), 01777);
  EXPECT_TRUE(only_ours(state)) << "as /tmp is";
  if (::geteuid() != 0) return;
  ASSERT_EQ(::chown(state.c_str(), 65534, 65534), 0);
  EXPECT_TRUE(refused("runuser"));
  ASSERT_EQ(::chown(state.c_str(), 0, 0), 0);
  ASSERT_EQ(::chown((directory_ + "/a").c_str(), 65534, 65534), 0);
  EXPECT_TRUE(refused("into its place"));
  EXPECT_TRUE(only_ours(state, directory_ + "/a")) << "entrusted";
  ASSERT_EQ(::chown((directory_ + "/a").c_str(), 0, 0), 0);
  // Whoever owns a link can point it elsewhere.
  const std::string link = directory_ + "/a/link";
  ASSERT_EQ(::symlink(state.c_str(), link.c_str()), 0);
  EXPECT_TRUE(only_ours(link));
  ASSERT_EQ(::lchown(link.c_str(), 65534, 65534), 0);
  EXPECT_FALSE(only_ours(link));
}

TEST_F(FilesTest, SecretsThatOthersCanReadAreRefused) {
  const std::string path = directory_ + "/key";
  ASSERT_TRUE(replace_file(path, as_bytes("k"), 0644));
  const auto read = read_secret_file(path);
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().message.find("chmod 600"), std::string::npos);
  ::chmod(path.c_str(), 0600);
  EXPECT_TRUE(read_secret_file(path));
}

TEST_F(FilesTest, LimitsAndAbsenceAreErrors) {
  ASSERT_TRUE(replace_file(directory_ + "/f", as_bytes("12345"), 0600));
  EXPECT_TRUE(read_file(directory_ + "/f", 5));
  EXPECT_FALSE(read_file(directory_ + "/f", 4));
  EXPECT_FALSE(read_file(directory_ + "/none"));
  const auto full = replace_file("/dev/full/x", as_bytes("1"), 0600);
  EXPECT_FALSE(full);
}

TEST(BlockWriter, NeverWritesBeyondItsBlockAndWipesIt) {
  std::array<std::uint8_t, 10> memory{};
  const MutableBytes whole(memory);
  {
    BlockWriter out(whole.first(8));
    EXPECT_TRUE(out.put(as_bytes("hello")).empty());
    EXPECT_EQ(as_text(out.put(as_bytes("world"))), "ld");
    EXPECT_EQ(out.room(), 0U);
    EXPECT_EQ(out.claim(5).size(), 0U);
    EXPECT_EQ(as_text(out.put(as_bytes("more"))), "more");
    EXPECT_EQ(as_text(out.written()), "hellowor");
    out.clear();
    EXPECT_EQ(out.claim(100).size(), 8U);
    out.clear();
    EXPECT_TRUE(out.put(as_bytes("secret")).empty());
  }
  EXPECT_EQ(memory, (std::array<std::uint8_t, 10>{}));
}

TEST(Shown, IsPrintableAndShort) {
  EXPECT_EQ(shown("plain text"), "plain text");
  EXPECT_EQ(shown("a\r\n\x1b[2J\xff"), "a???[2J?");
  EXPECT_EQ(shown(std::string(64, 'x')), std::string(64, 'x'));
  EXPECT_EQ(shown(std::string(9000, 'x')), std::string(62, 'x') + "..");
  EXPECT_EQ(shown(std::string(9000, 'x'), std::string::npos).size(), 9000U);
}

TEST(Waker, EndsAWaitFromAnotherThread) {
  Waker waker;
  std::thread other([&] { waker.wake(); });
  EXPECT_EQ(wait_for(-1, 0, waker, std::nullopt), Wake::woken);
  other.join();
  waker.clear();
  EXPECT_EQ(wait_for(-1, 0, waker, Duration(1ms)), Wake::timeout);
}

TEST(TimingNoise, IsNotConstant) {
  TimingNoise noise;
  std::array<std::uint8_t, 4096> samples;
  noise.fill(samples);
  std::sort(samples.begin(), samples.end());
  EXPECT_GT(std::unique(samples.begin(), samples.end()) - samples.begin(), 3);
}

}  // namespace
}  // namespace qanat
