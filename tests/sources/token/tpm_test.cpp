#if defined(QANAT_TPM)

#include "sources/token/tpm.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "net/listen.h"
#include "sources/source_test.h"

namespace qanat::sources {
namespace {

// Speaks as swtpm does: a connection a command, and a second socket for control.
class FakeTpm {
 public:
  // `answer`: to each command; empty: it hangs up.
  FakeTpm(const std::string& path, std::function<std::string()> answer)
      : answer_(std::move(answer)),
        commands_(net::listen_unix(path, 0600)),
        control_(net::listen_unix(path + ".ctrl", 0600)),
        commands_thread_([this] { serve(commands_.get(), [this] { return answer_(); }); }),
        control_thread_([this] { serve(control_.get(), [] { return std::string(4, '\0'); }); }) {}
  FakeTpm(const FakeTpm&) = delete;
  FakeTpm& operator=(const FakeTpm&) = delete;
  ~FakeTpm() {
    over_.wake();
    commands_thread_.join();
    control_thread_.join();
  }

 private:
  void serve(int listener, const std::function<std::string()>& answer) const {
    while (wait_for(listener, POLLIN, over_, std::nullopt) == Wake::ready) {
      const UniqueFd peer(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
      std::array<char, 64> command{};
      if (wait_for(peer.get(), POLLIN, over_, std::nullopt) != Wake::ready) return;
      if (::recv(peer.get(), command.data(), command.size(), 0) <= 0) continue;
      const std::string said = answer();
      if (said.empty()) continue;
      ::send(peer.get(), said.data(), said.size(), MSG_NOSIGNAL);
      // Whoever has half of it waits for the other.
      wait_for(peer.get(), POLLIN, over_, std::nullopt);
    }
  }

  const std::function<std::string()> answer_;
  const UniqueFd commands_;
  const UniqueFd control_;
  const Waker over_;
  std::thread commands_thread_;
  std::thread control_thread_;
};

std::string big_endian(std::uint32_t number, int bytes) {
  std::string text;
  while (bytes-- > 0) text.push_back(static_cast<char>(number >> (8 * bytes)));
  return text;
}

// TPM 2.0 part 1, 18: tag, size, response code, parameters.
std::string answer_of(std::uint32_t code, const std::string& parameters = "") {
  return big_endian(0x8001, 2) + big_endian(static_cast<std::uint32_t>(10 + parameters.size()), 4) +
         big_endian(code, 4) + parameters;
}
std::string digest(const std::string& bytes) {
  return big_endian(static_cast<std::uint32_t>(bytes.size()), 2) + bytes;
}

struct TpmTest : SourceTest {
  std::string tcti() const { return "swtpm:path=" + path("tpm"); }
  // What one that answers so is said to be, or what it gave.
  std::string said(const std::string& answer) {
    const FakeTpm tpm(path("tpm"), [&] { return answer; });
    const auto session = make_tpm_session(tcti());
    if (auto opened = session->open(); !opened) return "open: " + opened.error().message;
    std::array<std::uint8_t, 64> out{};
    const auto got = session->read(out);
    if (!got) return (got.error().fault ? "fault: " : "") + got.error().message;
    return to_hex(Bytes(out).first(*got));
  }
};

TEST_F(TpmTest, GivesWhatTheTpmGives) {
  EXPECT_EQ(said(answer_of(0, digest("\x01\x02\xff"))), "0102ff");
  EXPECT_EQ(said(answer_of(0, digest(std::string(64, 'a')))).size(), 128U);
}

TEST_F(TpmTest, SaysInWordsWhatATpmRefuses) {
  EXPECT_NE(said(answer_of(0x101)).find("fault: the TPM is in failure mode"), std::string::npos);
  EXPECT_NE(said(answer_of(0x100)).find("has not been started"), std::string::npos);
  EXPECT_NE(said(answer_of(0x921)).find("is locked out"), std::string::npos);
  EXPECT_NE(said(answer_of(0x922)).find("is busy"), std::string::npos);
  // Any other: as the library puts it.
  EXPECT_NE(said(answer_of(0x120)).find("the TPM refuses: tpm:"), std::string::npos);
}

// tpm2-tss's own upper layers gave 64 bytes for each of the first two.
TEST_F(TpmTest, AnAnswerThatIsNoneIsAnError) {
  for (const std::string& answer :
       {answer_of(0, big_endian(64, 2) + "a"), answer_of(0), answer_of(0, big_endian(64, 2)),
        answer_of(0, digest("")), answer_of(0, digest(std::string(65, 'a'))),
        std::string(12, '\xff'), std::string(12, '\0'), std::string()}) {
    const std::string words = said(answer);
    EXPECT_TRUE(words.starts_with("the TPM gave nothing: ") ||
                words.starts_with("the TPM is lost: "))
        << words;
  }
}

TEST_F(TpmTest, OneThatIsAbsentIsGoneAndFoundWhenItComes) {
  auto source = start("tpm:" + tcti());
  EXPECT_TRUE(reaches(*source, "gone"));
  EXPECT_NE(source->report().detail.find("cannot reach a TPM by swtpm:"), std::string::npos)
      << source->report().detail;
  std::mt19937_64 random{1};
  const FakeTpm tpm(path("tpm"), [&] {
    std::string bytes(32, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    return answer_of(0, digest(bytes));
  });
  EXPECT_TRUE(test::eventually([&] { return dispenser_.report().total.credited > 0; }));
}

// Half an answer, and then nothing.
TEST_F(TpmTest, OneThatHangsHoldsUpNoEnd) {
  std::atomic<int> asked{0};
  const FakeTpm tpm(path("tpm"), [&] {
    ++asked;
    return answer_of(0, digest(std::string(64, 'a'))).substr(0, 20);
  });
  auto source = start("tpm:" + tcti());
  EXPECT_TRUE(test::eventually([&] { return asked > 0; }));
  source->request_stop();
  EXPECT_TRUE(source->join(std::chrono::seconds(30)));
  running_.clear();
}

TEST_F(TpmTest, WhyItCannotBeReachedIsSaid) {
  EXPECT_NE(make_tpm_session("other:x")->open().error().message.find("no library knows that way"),
            std::string::npos);
  EXPECT_NE(make_tpm_session(tcti())->open().error().message.find("is it running"),
            std::string::npos);
  const auto session = make_tpm_session("device:" + path("none"));
  EXPECT_EQ(session->open().error().message, "cannot reach a TPM by device:" + path("none") +
                                                 ": cannot open it: No such file or directory");
}

}  // namespace
}  // namespace qanat::sources

#endif
