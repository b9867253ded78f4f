#include "outlets/trickle/trickle.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <ctime>
#include <mutex>
#include <random>
#include <set>
#include <stdexcept>

#include "crypto/aead.h"
#include "outlets/trickle/cookie_keys.h"
#include "support/eventually.h"
#include "support/test_hub.h"
#include "support/trickle_answer.h"

namespace qanat::outlets {
namespace {

namespace trickle = wire::trickle;
using test::eventually;
using test::Samples;
using test::TestHub;
using namespace std::chrono_literals;

class TrickleOutletTest : public testing::Test {
 protected:
  TrickleOutletTest() {
    hub_.cookies.begin(static_cast<std::uint64_t>(std::time(nullptr)));
    (void)hub_.clients.add("router", SecretBytes(32), {});
    crypto::random_bytes(keys_);
    trickle::CookieContent content;
    content.client = trickle::client_id("router", SecretBytes(32).view());
    std::copy(keys_.begin(), keys_.end(), content.keys.data());
    cookie_ = hub_.cookies.seal(content);
    hub_.seed_drbg();
  }
  std::unique_ptr<TrickleOutlet> start(const std::string& host) {
    auto outlet = std::make_unique<TrickleOutlet>(TrickleSettings{"trickle", {host, 0}, {}, {}},
                                                  hub_.services(), hub_.cookies);
    outlet->start();
    return outlet;
  }
  static sockaddr_storage at(const char* host, std::uint16_t port) {
    sockaddr_storage address{};
    if (std::string_view(host).find(':') == std::string_view::npos) {
      auto* const in = reinterpret_cast<sockaddr_in*>(&address);
      in->sin_family = AF_INET;
      in->sin_port = htons(port);
      ::inet_pton(AF_INET, host, &in->sin_addr);
    } else {
      auto* const in = reinterpret_cast<sockaddr_in6*>(&address);
      in->sin6_family = AF_INET6;
      in->sin6_port = htons(port);
      ::inet_pton(AF_INET6, host, &in->sin6_addr);
    }
    return address;
  }
  std::vector<std::uint8_t> question(std::uint8_t number) {
    trickle::Request request;
    request.bytes = 64;
    request.cookies = 1;
    request.id = {number};
    request.cookie = cookie_;
    return trickle::encode_request(request, Bytes(keys_).first(trickle::key_bytes));
  }
  // Connected: the kernel lets only answers from the address that was asked pass.
  UniqueFd client(const char* host, std::uint16_t port) {
    const sockaddr_storage address = at(host, port);
    UniqueFd fd(::socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      return UniqueFd();
    }
    return fd;
  }
  test::AnswerPtr receive(const UniqueFd& fd, std::uint8_t number) {
    Samples in(2000);
    if (wait_for(fd.get(), POLLIN, waker_, Duration(30s)) != Wake::ready) return nullptr;
    const ssize_t size = ::recv(fd.get(), in.data(), in.size(), 0);
    if (size <= 0) return nullptr;
    return test::answer_of(Bytes(in).first(static_cast<std::size_t>(size)), {number},
                           Bytes(keys_).last(trickle::key_bytes));
  }

  TestHub hub_;
  Samples keys_ = Samples(trickle::keys_bytes);
  trickle::Cookie cookie_{};
  Waker waker_;
};

TEST_F(TrickleOutletTest, AnswersFromTheAddressThatWasAsked) {
  const auto outlet = start("*");
  for (const char* host : {"127.0.0.1", "127.0.0.77", "::1"}) {
    const UniqueFd fd = client(host, outlet->address().port);
    if (!fd) {
      std::printf("no IPv6 on this machine: %s is not tried\n", host);
      continue;
    }
    const auto datagram = question(1);
    ASSERT_EQ(::send(fd.get(), datagram.data(), datagram.size(), 0),
              static_cast<ssize_t>(datagram.size()));
    const auto answer = receive(fd, 1);
    ASSERT_TRUE(answer) << host;
    EXPECT_FALSE(answer->refused);
    EXPECT_EQ(answer->bytes, 64U);
  }
  EXPECT_TRUE(eventually([&] { return outlet->report().drbg_bytes == 3 * 64; }));
}

TEST_F(TrickleOutletTest, AFloodOfGarbageIsCountedAndStopsNobody) {
  const auto outlet = start("127.0.0.1");
  const UniqueFd flood = client("127.0.0.1", outlet->address().port);
  const UniqueFd honest = client("127.0.0.1", outlet->address().port);
  std::mt19937_64 random(1);
  const auto good = question(0);
  std::set<std::string> seen;
  for (std::uint8_t round = 1; round <= 50; ++round) {
    for (int i = 0; i < 100; ++i) {
      auto bad = good;
      bad[random() % bad.size()] ^= static_cast<std::uint8_t>(1 + random() % 255);
      (void)::send(flood.get(), bad.data(), random() % 4 == 0 ? random() % bad.size() : bad.size(),
                   MSG_DONTWAIT);
    }
    const auto datagram = question(round);
    ASSERT_GT(::send(honest.get(), datagram.data(), datagram.size(), 0), 0);
    const auto answer = receive(honest, round);
    ASSERT_TRUE(answer) << int{round};
    EXPECT_TRUE(seen.insert(to_hex(answer->entropy())).second);
  }
  EXPECT_TRUE(eventually([&] { return outlet->report().deliveries == 50; }));
  EXPECT_TRUE(eventually([&] {
    const auto refused = outlet->report().refused;
    return refused.at("cookie") + refused.at("mac") + refused.at("malformed") > 1000;
  }));
  Samples in(2000);
  EXPECT_LT(::recv(flood.get(), in.data(), in.size(), MSG_DONTWAIT), 0) << "and is never answered";
}

// The machine's clock, but for one time.
class BrokenOnce final : public Clock {
 public:
  TimePoint now() const override {
    if (!broke_.exchange(true)) throw std::runtime_error("out of memory, say");
    return Clock::now();
  }

 private:
  mutable std::atomic<bool> broke_{false};
};

TEST_F(TrickleOutletTest, AnExceptionIsAnAlarmAndEndsNoService) {
  const BrokenOnce clock;
  std::mutex mutex;
  std::vector<std::string> alarms;
  const serve::OutletServices& all = hub_.services();
  const serve::OutletServices services{
      .dispenser = all.dispenser,
      .drbg = all.drbg,
      .clients = all.clients,
      .key = all.key,
      .blocks = all.blocks,
      .threads = all.threads,
      .clock = clock,
      .on_event =
          [&](const std::string&, const std::string& text, EventKind kind) {
            const std::scoped_lock lock(mutex);
            if (is_alarm(kind)) alarms.push_back(text);
          },
      .on_fed = all.on_fed};
  TrickleOutlet outlet(TrickleSettings{"trickle", {"127.0.0.1", 0}, {}, {}}, services,
                       hub_.cookies);
  outlet.start();
  const UniqueFd fd = client("127.0.0.1", outlet.address().port);
  const auto first = question(1);
  ASSERT_GT(::send(fd.get(), first.data(), first.size(), 0), 0);
  EXPECT_TRUE(eventually([&] {
    const std::scoped_lock lock(mutex);
    return alarms.size() == 1;
  }));
  // The question is still there.
  const auto answer = receive(fd, 1);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->bytes, 64U);
}

// More sockets than threads: each thread has one of either family.
TEST_F(TrickleOutletTest, NewLimitsReachEachSocketOfANameWithTwoAddresses) {
  const auto outlet = start("localhost");
  outlet->set_limits(serve::Limits());
  outlet->stop();
  EXPECT_TRUE(outlet->idle());
}

TEST_F(TrickleOutletTest, FullIsPaidForAndStoppingLosesNothing) {
  hub_.credit(64);
  auto outlet = start("127.0.0.1");
  const UniqueFd fd = client("127.0.0.1", outlet->address().port);
  trickle::Request request;
  request.grade = trickle::Grade::full;
  request.bytes = 64;
  request.id = {9};
  request.cookie = cookie_;
  const auto datagram = trickle::encode_request(request, Bytes(keys_).first(trickle::key_bytes));
  ASSERT_GT(::send(fd.get(), datagram.data(), datagram.size(), 0), 0);
  const auto answer = receive(fd, 9);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->grade, trickle::Grade::full);
  EXPECT_TRUE(eventually([&] { return hub_.dispenser.report().total.delivered == 512; }));
  outlet->stop();
  outlet.reset();
  EXPECT_TRUE(hub_.dispenser.report().total.balanced());
}

}  // namespace
}  // namespace qanat::outlets
