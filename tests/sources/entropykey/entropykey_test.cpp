#include "sources/entropykey/entropykey.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "sources/entropykey/find.h"
#include "sources/entropykey/keyring.h"
#include "sources/source_test.h"
#include "support/entropykey_device.h"

namespace qanat::sources {
namespace {

using wire::entropykey::data_bytes;

// A device on a pty that answers resets and re-keys, and sends numbered entropy without an end.
class PtyKey {
 public:
  PtyKey() {
    int controller = -1;
    int line = -1;
    std::array<char, 256> name{};
    if (::openpty(&controller, &line, name.data(), nullptr, nullptr) != 0) return;
    plug_ = UniqueFd(controller);
    line_ = UniqueFd(line);
    path_ = name.data();
    ::fcntl(plug_.get(), F_SETFL, O_NONBLOCK);
    thread_ = std::thread([this] { work(); });
  }
  ~PtyKey() {
    stop_.wake();
    thread_.join();
  }
  const std::string& path() const { return path_; }
  static test::Samples data(unsigned n) { return test::uniform(data_bytes, n); }

  test::EntropyKeyDevice device_;

 private:
  void work() {
    unsigned sent = 0;
    bool keyed = false;
    std::string asked;
    std::string out;
    while (true) {
      const Wake wake = wait_for(plug_.get(), POLLIN, stop_, std::chrono::milliseconds(1));
      if (wake == Wake::woken) return;
      std::array<char, 256> arrived{};
      const ssize_t n = ::read(plug_.get(), arrived.data(), arrived.size());
      for (ssize_t i = 0; i < n; ++i) {
        const char c = arrived[static_cast<std::size_t>(i)];
        if (c == '\x03') {
          keyed = false;
          asked.clear();
          out += device_.hello();
          continue;
        }
        asked += c;
        if (c != '.') continue;
        out += device_.answer_rekey(asked);
        asked.clear();
        keyed = true;
      }
      if (keyed && out.empty() && sent < 4000) out = device_.entropy(data(sent++));
      const ssize_t written = ::write(plug_.get(), out.data(), out.size());
      if (written > 0) out.erase(0, static_cast<std::size_t>(written));
    }
  }

  UniqueFd plug_;
  UniqueFd line_;
  std::string path_;
  Waker stop_;
  std::thread thread_;
};

class EntropyKeySource : public SourceTest {
 protected:
  PtyKey key_device_;

  std::string ring(const std::string& text) {
    std::ofstream(path("keyring")) << text;
    return path("keyring");
  }
  std::string good_ring() {
    return ring(wire::entropykey::to_text(key_device_.device_.serial) + " " +
                to_base64(key_device_.device_.long_term_key) + "\n");
  }
};

TEST_F(EntropyKeySource, ASampleIsAByteOfItsEntropyAndNothingElse) {
  EntropyKey source(key_device_.path(), good_ring());
  const Waker waker;
  const auto opened = source.open(waker);
  ASSERT_TRUE(opened) << opened.error().message;
  // In pieces that do not fit its frames.
  std::vector<std::uint8_t> got;
  while (got.size() < 10 * data_bytes) {
    std::array<std::uint8_t, 13> piece{};
    const auto n = source.read(piece, waker);
    ASSERT_TRUE(n) << n.error().message;
    got.insert(got.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(*n));
  }
  for (unsigned i = 0; i < 10; ++i) {
    EXPECT_EQ(to_hex(Bytes(got).subspan(i * data_bytes, data_bytes)), to_hex(PtyKey::data(i)));
  }
  EXPECT_EQ(source.readings().at("rekeys"), 1);
  EXPECT_TRUE(source.origin());
}

TEST_F(EntropyKeySource, OnlyOneProgramHasIt) {
  EntropyKey first(key_device_.path(), good_ring());
  EntropyKey second(key_device_.path(), path("keyring"));
  const Waker waker;
  ASSERT_TRUE(first.open(waker));
  const auto refused = second.open(waker);
  ASSERT_FALSE(refused);
  EXPECT_FALSE(refused.error().fault);
  EXPECT_NE(refused.error().message.find("held by another program"), std::string::npos);
  first.close();
  EXPECT_TRUE(second.open(waker));
}

TEST_F(EntropyKeySource, WithoutItsKeyItIsAFaultThatSaysWhatToDo) {
  const Waker waker;
  EntropyKey source(key_device_.path(), ring("# nothing\n"));
  const auto opened = source.open(waker);
  ASSERT_FALSE(opened);
  EXPECT_TRUE(opened.error().fault);
  for (const char* word : {"NwBvBlg3OTBJORFD", "keyring", "set-key"}) {
    EXPECT_NE(opened.error().message.find(word), std::string::npos) << opened.error().message;
  }
}

TEST_F(EntropyKeySource, ReturnsAtOnceWhenItIsToStop) {
  const Waker stop;
  stop.wake();
  EntropyKey source(key_device_.path(), good_ring());
  const auto opened = source.open(stop);
  ASSERT_FALSE(opened);
  const Waker calm;
  ASSERT_TRUE(source.open(calm));
  std::array<std::uint8_t, 8> out{};
  const auto got = source.read(out, stop);
  ASSERT_TRUE(got);
  EXPECT_EQ(*got, 0U);
}

TEST(EntropyKeyring, KeepsWhatItDoesNotKnowAndTheLastLineCounts) {
  const test::TemporaryDirectory temporary;
  const std::string path = temporary.path() + "/keyring";
  const auto serial = *wire::entropykey::parse_serial("NwBvBlg3OTBJORFD");
  const auto other = *wire::entropykey::parse_serial("AAAAAAAAAAAAAAAA");
  const std::array<std::uint8_t, 32> one{1};
  const std::array<std::uint8_t, 32> two{2};
  const std::string text = "# by hand\n\nAAAAAAAAAAAAAAAA " + to_base64(one) +
                           "\nnonsense\n  \tNwBvBlg3OTBJORFD\t" + to_base64(one) +
                           " comment\nNwBvBlg3OTBJORFD " + to_base64(two) +
                           "\nNwBvBlg3OTBJORFD too-short\n# no end of line";
  std::ofstream(path) << text;
  EXPECT_EQ(to_hex(find_long_term_key(path, serial)->view()), to_hex(two));
  const std::array<std::uint8_t, 32> three{3};
  ASSERT_TRUE(put_long_term_key(path, serial, three));
  EXPECT_EQ(to_hex(find_long_term_key(path, serial)->view()), to_hex(three));
  EXPECT_EQ(to_hex(find_long_term_key(path, other)->view()), to_hex(one));
  EXPECT_EQ(*read_file(path), "# by hand\n\nAAAAAAAAAAAAAAAA " + to_base64(one) +
                                  "\nnonsense\nNwBvBlg3OTBJORFD " + to_base64(three) +
                                  "\nNwBvBlg3OTBJORFD too-short\n# no end of line");
  const auto third = *wire::entropykey::parse_serial("BBBBBBBBBBBBBBBB");
  ASSERT_TRUE(put_long_term_key(path, third, two));
  EXPECT_TRUE(
      read_file(path)->ends_with("# no end of line\nBBBBBBBBBBBBBBBB " + to_base64(two) + "\n"));
  struct stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600U);
  // What a group may read on purpose it may read still, and a link stays one.
  ASSERT_EQ(::chmod(path.c_str(), 0640), 0);
  const std::string link = temporary.path() + "/link";
  std::filesystem::create_symlink("keyring", link);
  const std::string before = *read_file(path);
  ASSERT_TRUE(can_put_long_term_key(link));
  EXPECT_EQ(*read_file(path), before);
  ASSERT_TRUE(put_long_term_key(link, third, one));
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_EQ(to_hex(find_long_term_key(path, third)->view()), to_hex(one));
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0640U);
  // Asked before a device is given a key: nothing is left of the question.
  ASSERT_TRUE(can_put_long_term_key(temporary.path() + "/new"));
  EXPECT_FALSE(std::filesystem::exists(temporary.path() + "/new"));
  std::ofstream(path, std::ios::app) << std::string((1 << 16) - before.size() - 20, '#');
  EXPECT_FALSE(can_put_long_term_key(path)) << "it would be too large";
  EXPECT_FALSE(find_long_term_key(temporary.path(), serial)) << "a directory";
  EXPECT_FALSE(find_long_term_key(path + "-absent", serial));
  std::ofstream(path) << std::string(1 << 17, 'A');
  EXPECT_FALSE(find_long_term_key(path, serial)) << "without an end";
}

TEST(EntropyKeyFind, ByItsUsbNumbers) {
  const test::TemporaryDirectory temporary;
  const std::filesystem::path root = temporary.path();
  const auto plug = [&](const char* tty, const char* vendor) {
    const auto device = root / "devices" / tty;
    std::filesystem::create_directories(device / "1:1.0");
    std::filesystem::create_directories(root / "tty" / tty);
    std::ofstream(device / "idVendor") << vendor << '\n';
    std::ofstream(device / "idProduct") << "0001\n";
    std::ofstream(device / "serial") << "NwBvBlg3OTBJORFD\n";
    std::filesystem::create_symlink(device / "1:1.0", root / "tty" / tty / "device");
  };
  plug("ttyACM1", "20df");
  plug("ttyACM0", "1d50");
  std::filesystem::create_directories(root / "tty/tty0");
  const auto found = find_entropykeys((root / "tty").string());
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].path, "/dev/ttyACM1");
  EXPECT_EQ(found[0].serial, "NwBvBlg3OTBJORFD");
  EXPECT_TRUE(find_entropykeys(root / "absent").empty());
}

}  // namespace
}  // namespace qanat::sources
