#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "machine/generation.h"
#include "net/listen.h"
#include "outlets/egd.h"
#include "qanat/qanat.h"
#include "support/eventually.h"
#include "support/test_hub.h"

namespace qanat {
namespace {

using test::eventually;
using test::Samples;
using test::TestHub;

class ClientTest : public testing::Test {
 protected:
  ClientTest() { std::filesystem::create_directories(directory_); }
  ~ClientTest() override {
    qanat_close(q_);
    std::filesystem::remove_all(directory_);
  }
  std::unique_ptr<serve::Outlet> start(spec::Grade grade) {
    serve::StreamSettings settings;
    settings.name = "egd";
    settings.at.unix_path = path_;
    settings.grade = grade;
    auto outlet = outlets::make_egd(settings, hub_.services());
    outlet->start();
    return outlet;
  }

  const std::string directory_ = testing::TempDir() + "/qanat-client-" + std::to_string(::getpid());
  const std::string path_ = directory_ + "/egd";
  TestHub hub_;
  qanat_client* q_ = nullptr;
};

TEST_F(ClientTest, GetsAnyNumberOfBytesNoneTwice) {
  hub_.seed_drbg();
  const auto outlet = start(spec::Grade::drbg);
  ASSERT_EQ(qanat_connect(&q_, path_.c_str()), 0) << qanat_error(q_);
  std::set<std::string> seen;
  std::uint64_t total = 0;
  for (const std::size_t size : {1U, 8U, 255U, 256U, 16320U, 16321U, 100000U, 0U}) {
    Samples out(size);
    ASSERT_EQ(qanat_get(q_, out.data(), out.size()), 0) << qanat_error(q_);
    EXPECT_STREQ(qanat_error(q_), "");
    total += size;
    for (std::size_t i = 0; i + 8 <= size; i += 8) {
      EXPECT_TRUE(seen.insert(to_hex(Bytes(out).subspan(i, 8))).second);
    }
  }
  EXPECT_TRUE(eventually([&] { return outlet->report().drbg_bytes == total; }));
}

TEST_F(ClientTest, SaysWhatIsWrongAndComesBack) {
  EXPECT_EQ(qanat_connect(&q_, path_.c_str()), -1);
  EXPECT_NE(std::string(qanat_error(q_)).find(path_), std::string::npos) << qanat_error(q_);
  Samples out(32, 7);
  EXPECT_EQ(qanat_get(q_, out.data(), out.size()), -1);
  EXPECT_EQ(out, Samples(32, 0)) << "nothing of what was there is left";
  hub_.seed_drbg();
  {
    const auto outlet = start(spec::Grade::drbg);
    EXPECT_EQ(qanat_get(q_, out.data(), out.size()), 0) << qanat_error(q_);
  }
  EXPECT_EQ(qanat_get(q_, out.data(), out.size()), -1) << "the node has stopped";
  const auto again = start(spec::Grade::drbg);
  EXPECT_EQ(qanat_get(q_, out.data(), out.size()), 0) << qanat_error(q_);
  qanat_client* other = nullptr;
  EXPECT_EQ(qanat_connect(&other, std::string(200, 'x').c_str()), -1);
  EXPECT_NE(std::string(qanat_error(other)).find("longer"), std::string::npos);
  EXPECT_EQ(qanat_get(other, out.data(), out.size()), -1);
  qanat_close(other);
  qanat_close(nullptr);
}

TEST_F(ClientTest, WhatComesTooLateIsNotTakenForTheNextAnswer) {
  const auto outlet = start(spec::Grade::full);
  ASSERT_EQ(qanat_connect(&q_, path_.c_str()), 0);
  qanat_set_timeout(q_, 20);
  Samples out(64);
  EXPECT_EQ(qanat_get(q_, out.data(), out.size()), -1);
  EXPECT_NE(std::string(qanat_error(q_)).find("20 ms"), std::string::npos) << qanat_error(q_);
  EXPECT_TRUE(eventually([&] { return hub_.dispenser.report().waiting_requests == 0; }))
      << "its place in line is free";
  hub_.credit(128);
  qanat_set_timeout(q_, 0);
  EXPECT_EQ(qanat_get(q_, out.data(), out.size()), 0) << qanat_error(q_);
  EXPECT_TRUE(eventually([&] { return hub_.dispenser.report().total.delivered == 512; }));
}

TEST_F(ClientTest, AnAnswerThatIsCutShortIsNone) {
  const UniqueFd listener = net::listen_unix(path_, 0600);
  ASSERT_EQ(qanat_connect(&q_, path_.c_str()), 0) << qanat_error(q_);
  const UniqueFd server(::accept(listener.get(), nullptr, nullptr));
  ASSERT_EQ(::send(server.get(), "unasked", 7, MSG_NOSIGNAL), 7);
  std::thread serve([&] {
    // What nobody asked for spoils a connection: it comes again, and is cut off in the middle.
    const Waker never;
    wait_for(listener.get(), POLLIN, never, std::nullopt);
    const UniqueFd second(::accept(listener.get(), nullptr, nullptr));
    std::array<char, 2> question{};
    EXPECT_EQ(::recv(second.get(), question.data(), question.size(), MSG_WAITALL), 2);
    EXPECT_EQ(::send(second.get(), "half", 4, MSG_NOSIGNAL), 4);
  });
  Samples out(64, 9);
  EXPECT_EQ(qanat_get(q_, out.data(), out.size()), -1);
  EXPECT_EQ(out, Samples(64, 0));
  serve.join();
}

TEST_F(ClientTest, AForkedChildHasAConnectionOfItsOwn) {
  hub_.seed_drbg();
  const auto outlet = start(spec::Grade::drbg);
  ASSERT_EQ(qanat_connect(&q_, path_.c_str()), 0);
  Samples first(32);
  ASSERT_EQ(qanat_get(q_, first.data(), first.size()), 0);
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    std::array<std::uint8_t, 32> mine{};
    const bool ok = qanat_get(q_, mine.data(), mine.size()) == 0;
    const bool told = ::write(pipe[1], mine.data(), mine.size()) == 32;
    ::_exit(ok && told ? 0 : 1);
  }
  Samples ours(32);
  EXPECT_EQ(qanat_get(q_, ours.data(), ours.size()), 0);
  Samples theirs(32);
  EXPECT_EQ(::read(pipe[0], theirs.data(), theirs.size()), 32);
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_NE(ours, theirs);
  EXPECT_TRUE(eventually([&] { return outlet->report().drbg_bytes == 96; }));
  ::close(pipe[0]);
  ::close(pipe[1]);
}

// In one test: a process maps the file once.
TEST_F(ClientTest, AProgramSeesThatItsMachineWasRenewed) {
  const std::string file = directory_ + "/generation";
  ::setenv("QANAT_GENERATION_FILE", file.c_str(), 1);
  EXPECT_EQ(qanat_generation(), 0U) << "no node has run";
  { const std::ofstream empty(file); }
  EXPECT_EQ(qanat_generation(), 0U) << "a file that is none kills nobody";
  machine::Generation generation(file);
  EXPECT_EQ(qanat_generation(), 1U);
  // The pattern of the header: a cache that was filled in another life is not used.
  const std::uint64_t filled_in = qanat_generation();
  EXPECT_EQ(qanat_generation(), filled_in);
  generation.advance();
  EXPECT_NE(qanat_generation(), filled_in);
  std::vector<std::thread> readers;
  std::atomic<bool> wrong{false};
  for (int i = 0; i < 4; ++i) {
    readers.emplace_back([&] {
      for (std::uint64_t last = 0; last < 1000;) {
        const std::uint64_t now = qanat_generation();
        if (now < last) wrong = true;
        last = now;
      }
    });
  }
  while (generation.advance() < 1000) {
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_FALSE(wrong);
}

}  // namespace
}  // namespace qanat
