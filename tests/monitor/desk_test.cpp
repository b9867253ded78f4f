#include "monitor/desk.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <cstring>

#include "machine/kernel_random.h"

namespace qanat::monitor {
namespace {

using namespace std::chrono_literals;

// A desk whose hands write down what they are told to do.
class DeskTest : public testing::Test {
 protected:
  Desk::Reply ask(const Request& request, UniqueFd passed = {}) {
    const Bytes bytes(reinterpret_cast<const std::uint8_t*>(&request), sizeof request);
    return desk_.answer(bytes, std::move(passed), now_);
  }
  int problem_of(const Request& request) { return ask(request).answer.problem; }

  static Request open_of(GrantKind kind, const std::string& path, int flags) {
    return {.kind = Kind::open,
            .first = static_cast<std::uint32_t>(flags),
            .grant = grant_id(kind, path)};
  }
  static Request add_of(std::size_t bytes, std::size_t credited, std::size_t local = 0) {
    return {.kind = Kind::add_to_kernel,
            .first = static_cast<std::uint32_t>(credited),
            .second = static_cast<std::uint32_t>(local),
            .size = static_cast<std::uint32_t>(bytes + local)};
  }

  std::vector<std::string> done_;
  Grants next_;
  TimePoint now_{};
  Desk desk_{
      {.readable = {"/etc/key"},
       .writable = {"/dev/noise"},
       .commands = {"echo a"},
       .ports = {443}},
      {.open = [this](const std::string& path, int) -> tl::expected<UniqueFd, int> {
         done_.push_back("open " + path);
         return UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC));
       },
       .bind =
           [this](int, const sockaddr* name, socklen_t size) {
             done_.push_back("bind " + std::to_string(size) + " " +
                             std::to_string(name->sa_family));
             return 0;
           },
       .add_to_kernel =
           [this](Bytes bytes, std::size_t credited, Bytes local) {
             done_.push_back("add " + std::to_string(bytes.size()) + " " +
                             std::to_string(credited) + " " + std::to_string(local.size()));
             return 0;
           },
       .start = [this](const std::string& command, const UniqueFd&,
                       const Variables& variables) -> Result<Powers::Started> {
         done_.push_back("start " + command);
         for (const auto& [name, value] : variables) done_.push_back(name + "=" + value);
         return Powers::Started{77, UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC))};
       },
       .find_holder = [](std::span<const dev_t> devices, pid_t group) -> std::optional<Holder> {
         if (devices.size() != 1 || group != 5) return std::nullopt;
         return Holder{9, "cat"};
       },
       .device_at = [](const std::string& path) -> std::optional<dev_t> {
         return path == "/dev/noise" ? std::optional(makedev(4, 64)) : std::nullopt;
       },
       .reread =
           [this] {
             if (next_.ports.empty()) throw Failure("line 3: no such type");
             return next_;
           }},
      now_};
};

TEST_F(DeskTest, WhatIsNoRequestIsRefused) {
  const Request whole = open_of(GrantKind::read, "/etc/key", O_RDONLY);
  const Bytes bytes(reinterpret_cast<const std::uint8_t*>(&whole), sizeof whole);
  EXPECT_EQ(desk_.answer({}, {}, now_).answer.problem, EBADMSG);
  EXPECT_EQ(desk_.answer(bytes.first(bytes.size() - 1), {}, now_).answer.problem, EBADMSG);
  Request odd = whole;
  odd.size = Request::most_body + 1;
  EXPECT_EQ(problem_of(odd), EBADMSG);
  odd = whole;
  odd.kind = static_cast<Kind>(99);
  EXPECT_EQ(problem_of(odd), EBADMSG);
  EXPECT_TRUE(done_.empty());
}

TEST_F(DeskTest, WhatIsNamedIsOpenedAsItIsNamed) {
  EXPECT_TRUE(ask(open_of(GrantKind::read, "/etc/key", O_RDONLY)).fd);
  EXPECT_TRUE(ask(open_of(GrantKind::read, "/dev/noise", O_RDONLY)).fd);
  EXPECT_TRUE(ask(open_of(GrantKind::write, "/dev/noise", O_RDWR | O_NONBLOCK)).fd);
  EXPECT_EQ(done_,
            (std::vector<std::string>{"open /etc/key", "open /dev/noise", "open /dev/noise"}));
}

TEST_F(DeskTest, NothingElseIsOpened) {
  EXPECT_EQ(problem_of(open_of(GrantKind::read, "/etc/shadow", O_RDONLY)), EACCES);
  EXPECT_EQ(problem_of(open_of(GrantKind::write, "/etc/key", O_RDWR)), EACCES);
  EXPECT_EQ(problem_of(open_of(GrantKind::read, "/etc/key", O_WRONLY)), EACCES);
  EXPECT_EQ(problem_of(open_of(GrantKind::command, "echo a", O_RDONLY)), EACCES);
  for (const int flags : {O_CREAT, O_TRUNC, O_APPEND, O_PATH, O_DIRECTORY, O_TMPFILE}) {
    EXPECT_EQ(problem_of(open_of(GrantKind::write, "/dev/noise", O_RDWR | flags)), EINVAL);
  }
  EXPECT_TRUE(done_.empty());
}

TEST_F(DeskTest, ACommandIsStartedWithVariablesOfOurs) {
  Request request{.kind = Kind::start, .grant = grant_id(GrantKind::command, "echo a")};
  ASSERT_TRUE(write_variables({{"QANAT_REASON", "a=b"}, {"QANAT_TEXT", ""}}, request));
  const Desk::Reply reply = ask(request);
  EXPECT_EQ(reply.answer.problem, 0);
  EXPECT_EQ(reply.answer.process, 77);
  EXPECT_TRUE(reply.fd);
  EXPECT_EQ(done_, (std::vector<std::string>{"start echo a", "QANAT_REASON=a=b", "QANAT_TEXT="}));
}

TEST_F(DeskTest, NoOtherCommandAndNoOtherVariable) {
  Request request{.kind = Kind::start, .grant = grant_id(GrantKind::command, "echo b")};
  EXPECT_EQ(problem_of(request), EACCES);
  request.grant = grant_id(GrantKind::read, "/etc/key");
  EXPECT_EQ(problem_of(request), EACCES);
  request.grant = grant_id(GrantKind::command, "echo a");
  for (const std::string_view text :
       {"LD_PRELOAD=/tmp/x", "PATH=/tmp", "QANAT_A", "=", "QANAT_a=b", "QANAT_SOCKET=x"}) {
    Request asked = request;
    text.copy(reinterpret_cast<char*>(asked.body.data()), text.size());
    asked.size = static_cast<std::uint32_t>(text.size() + 1);
    EXPECT_EQ(problem_of(asked), EINVAL) << text;
  }
  // Without an end.
  constexpr std::string_view open = "QANAT_TEXT=b";
  open.copy(reinterpret_cast<char*>(request.body.data()), open.size());
  request.size = open.size();
  EXPECT_EQ(problem_of(request), EINVAL);
  EXPECT_TRUE(done_.empty());
  EXPECT_FALSE(write_variables({{"QANAT_A", std::string(Request::most_body, 'x')}}, request));
  EXPECT_FALSE(write_variables({{"QANAT_A", std::string("a\0b", 3)}}, request));
}

TEST_F(DeskTest, APortThatIsNamedIsBoundAndNoOther) {
  Request request{.kind = Kind::bind, .size = sizeof(sockaddr_in)};
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(443);
  std::memcpy(request.body.data(), &name, sizeof name);
  EXPECT_EQ(ask(request, UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC))).answer.problem, 0);
  EXPECT_EQ(done_, std::vector<std::string>{"bind 16 2"});
  EXPECT_EQ(problem_of(request), EINVAL);  // no socket came with it
  name.sin_port = htons(22);
  std::memcpy(request.body.data(), &name, sizeof name);
  EXPECT_EQ(ask(request, UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC))).answer.problem,
            EACCES);
  name.sin_family = AF_UNIX;
  std::memcpy(request.body.data(), &name, sizeof name);
  EXPECT_EQ(ask(request, UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC))).answer.problem,
            EINVAL);
  EXPECT_EQ(done_.size(), 1U);
}

TEST_F(DeskTest, TheKernelIsCreditedUpToALimitAMinute) {
  const Request feed = add_of(512, 512, 160);
  constexpr std::uint64_t feeds = Desk::kernel_bits_a_minute / (8 * 512);
  for (std::uint64_t i = 0; i < feeds; ++i) ASSERT_EQ(problem_of(feed), 0) << i;
  EXPECT_EQ(done_.back(), "add 512 512 160");
  EXPECT_EQ(problem_of(feed), EDQUOT);
  // What is not credited is mixed in all the same.
  EXPECT_EQ(problem_of(add_of(512, 0)), 0);
  now_ += 500ms;
  EXPECT_EQ(problem_of(feed), 0);
  EXPECT_EQ(problem_of(feed), EDQUOT);
  // No credit is saved up beyond a minute's; none comes of a clock that goes back.
  now_ += 24h;
  for (std::uint64_t i = 0; i < feeds; ++i) ASSERT_EQ(problem_of(feed), 0) << i;
  now_ -= 1h;
  EXPECT_EQ(problem_of(feed), EDQUOT);
}

TEST_F(DeskTest, TheKernelIsGivenNoMoreThanThereIs) {
  EXPECT_EQ(problem_of(add_of(machine::most_kernel_bytes + 1, 0)), EINVAL);
  EXPECT_EQ(problem_of(add_of(32, 33)), EINVAL);
  EXPECT_EQ(problem_of(add_of(32, 32, machine::most_kernel_local + 1)), EINVAL);
  Request request = add_of(32, 32);
  request.second = 33;
  EXPECT_EQ(problem_of(request), EINVAL);
  request = add_of(32, 0xffffffff);
  EXPECT_EQ(problem_of(request), EINVAL);
  EXPECT_TRUE(done_.empty());
}

TEST_F(DeskTest, WhoHasADeviceOpenIsSaid) {
  Request request{.kind = Kind::find_holder, .first = 5, .size = 8};
  EXPECT_EQ(problem_of(request), EACCES) << "of a device that nothing names";
  for (const dev_t device : {makedev(1, 9), makedev(4, 64)}) {
    std::memcpy(request.body.data(), &device, sizeof device);
    const Desk::Reply reply = ask(request);
    EXPECT_EQ(reply.answer.process, 9);
    EXPECT_EQ(reply.answer.said(), "cat");
  }
  request.first = 6;
  EXPECT_EQ(problem_of(request), ESRCH);
  for (const std::uint32_t size : {0U, 7U, 72U}) {
    request.size = size;
    EXPECT_EQ(problem_of(request), EINVAL);
  }
}

TEST_F(DeskTest, AReloadChangesWhatMayBeAskedFor) {
  const Desk::Reply refused = ask({.kind = Kind::reload});
  EXPECT_EQ(refused.answer.problem, EINVAL);
  EXPECT_EQ(refused.answer.said(), "line 3: no such type");
  EXPECT_EQ(problem_of(open_of(GrantKind::read, "/etc/key", O_RDONLY)), 0);
  next_ = {.readable = {"/etc/other"}, .writable = {}, .commands = {}, .ports = {1}};
  EXPECT_EQ(problem_of({.kind = Kind::reload}), 0);
  EXPECT_EQ(problem_of(open_of(GrantKind::read, "/etc/key", O_RDONLY)), EACCES);
  EXPECT_EQ(problem_of(open_of(GrantKind::read, "/etc/other", O_RDONLY)), 0);
}

TEST(Answer, LongTextsAreCut) {
  Answer answer;
  answer.say(std::string(1000, 'x'));
  EXPECT_EQ(answer.said(), std::string(247, 'x'));
}

}  // namespace
}  // namespace qanat::monitor
