// What holds for connections of every protocol: turns, places, loops that begin again.
#include "serve/stream_worker.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <boost/asio/post.hpp>
#include <filesystem>

#include "net/connect.h"
#include "outlets/egd.h"
#include "outlets/netrng.h"
#include "outlets/raw.h"
#include "outlets/vmport.h"
#include "support/eventually.h"
#include "support/test_hub.h"
#include "wire/netrng.h"
#include "wire/vmport.h"

namespace qanat::serve {
namespace {

using spec::Grade;
using test::eventually;
using test::Samples;
using test::TestHub;
using namespace std::chrono_literals;

// Each reading takes half a millisecond of the I/O thread, and it counts how often one connection
// read it before another task of that thread had its turn. It throws when it is told to.
class TurnClock final : public Clock {
 public:
  TimePoint now() const override {
    if (!watched()) return start_ + step_ * readings_.load();
    if (fail_.exchange(false)) throw std::bad_alloc();
    most_ = std::max(most_.load(), ++without_turn_);
    return start_ + step_ * ++readings_;
  }
  void watch() { thread_ = std::this_thread::get_id(); }
  void turn() { without_turn_ = 0; }
  void begin() { without_turn_ = most_ = 0; }
  void fail_once() { fail_ = true; }
  bool has_failed() const { return !fail_; }
  unsigned most() const { return most_; }
  std::size_t readings() const { return static_cast<std::size_t>(readings_.load()); }

 private:
  bool watched() const { return thread_.load() == std::this_thread::get_id(); }

  const TimePoint start_ = std::chrono::steady_clock::now();
  const Duration step_ = 500us;
  std::atomic<std::thread::id> thread_{};
  mutable std::atomic<int> readings_{0};
  mutable std::atomic<bool> fail_{false};
  mutable unsigned without_turn_ = 0;  // of the I/O thread
  mutable std::atomic<unsigned> most_{0};
};

class StreamWorkerTest : public testing::Test {
 protected:
  StreamWorkerTest() {
    std::filesystem::create_directories(directory_);
    hub_.on_event = [this](const std::string& subject, const std::string& text, EventKind kind) {
      const std::scoped_lock lock(mutex_);
      events_.push_back(fmt::format("{}{}: {}", is_alarm(kind) ? "!" : "", subject, text));
    };
    hub_.services().threads.run_on(0, [this] { clock_.watch(); });
  }
  ~StreamWorkerTest() override {
    others_stop_ = true;
    hub_.services().threads.run_on(0, [] {});
    std::filesystem::remove_all(directory_);
  }

  // Somebody else of the thread who always has something to do.
  void begin_others() {
    boost::asio::post(hub_.services().threads.context(0), [this] {
      clock_.turn();
      const std::uint64_t added = hub_.key.generation();
      most_added_ = std::max(most_added_.load(), added - std::exchange(added_, added));
      if (!others_stop_) begin_others();
    });
  }

  StreamSettings settings(Grade grade) {
    StreamSettings out;
    out.name = "outlet";
    out.at.unix_path = path_;
    out.grade = grade;
    out.limits = limits_;
    return out;
  }
  // An empty path: TCP, for HTTP and NetRNG.
  UniqueFd connect(const std::string& address = "") {
    if (address.empty()) return *net::connect_unix(path_);
    return std::move(*net::connect_tcp(*spec::parse_address(address), waker_, 10s));
  }
  static void say(const UniqueFd& fd, Bytes bytes) {
    std::size_t sent = 0;
    while (sent < bytes.size()) {
      const ssize_t n = ::send(fd.get(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) return;
      sent += static_cast<std::size_t>(n);
    }
  }
  // So many bytes, or as many as came before the end.
  std::size_t hear(const UniqueFd& fd, std::size_t count) {
    Samples in(65536);
    std::size_t have = 0;
    while (have < count && wait_for(fd.get(), POLLIN, waker_, Duration(30s)) == Wake::ready) {
      const ssize_t n = ::recv(fd.get(), in.data(), std::min(in.size(), count - have), 0);
      if (n <= 0) break;
      have += static_cast<std::size_t>(n);
    }
    return have;
  }
  bool is_closed(const UniqueFd& fd) { return hear(fd, 1) == 0; }
  std::vector<std::string> events() {
    const std::scoped_lock lock(mutex_);
    return events_;
  }

  // All that is asked for at once is answered, and between two turns of others no connection does
  // more than a few steps.
  void expect_turns(const UniqueFd& fd, const Samples& questions, std::size_t answers) {
    begin_others();
    // What was read while there were no others does not count.
    hub_.services().threads.run_on(0, [this] { clock_.begin(); });
    say(fd, questions);
    EXPECT_EQ(hear(fd, answers), answers);
    // Before the others end: a raw reader's connection goes on.
    const unsigned most = clock_.most();
    others_stop_ = true;
    EXPECT_LT(most, 20U) << "readings of the clock by one connection without a pause";
  }

  const std::string directory_ = testing::TempDir() + "/qanat-stream-" + std::to_string(::getpid());
  const std::string path_ = directory_ + "/socket";
  Limits limits_;
  TurnClock clock_;
  TestHub hub_{1, clock_};
  Waker waker_;
  std::atomic<bool> others_stop_{false};
  std::uint64_t added_ = 0;                   // to the conditioning key, of the I/O thread
  std::atomic<std::uint64_t> most_added_{0};  // between two turns of others
  std::mutex mutex_;
  std::vector<std::string> events_;
};

Samples repeated(Bytes question, std::size_t count) {
  Samples out;
  for (std::size_t i = 0; i < count; ++i) out.insert(out.end(), question.begin(), question.end());
  return out;
}

TEST_F(StreamWorkerTest, ARawReaderOfGradeFullTakesTurns) {
  hub_.credit(64 << 10);
  const auto outlet = outlets::make_raw(settings(Grade::full), hub_.services());
  outlet->start();
  // A last piece that is not whole stays.
  expect_turns(connect(), {}, 60 << 10);
}

TEST_F(StreamWorkerTest, ARawReaderOfGradeDrbgTakesTurns) {
  hub_.seed_drbg();
  const auto outlet = outlets::make_raw(settings(Grade::drbg), hub_.services());
  outlet->start();
  expect_turns(connect(), {}, 4 << 20);
}

TEST_F(StreamWorkerTest, EgdCommandsSentAheadTakeTurns) {
  hub_.credit(64 << 10);
  const auto outlet = outlets::make_egd(settings(Grade::full), hub_.services());
  outlet->start();
  expect_turns(connect(), repeated(Samples{1, 64}, 500), 500 * 65);
}

TEST_F(StreamWorkerTest, EgdCommandsWithoutAnAnswerTakeTurns) {
  const auto outlet = outlets::make_egd(settings(Grade::full), hub_.services());
  outlet->start();
  Samples adds = repeated(Samples{3, 0, 8, 1, 7}, 5000);
  adds.push_back(0);  // the level: 4 bytes
  expect_turns(connect(), adds, 4);
  EXPECT_LT(most_added_, 20U);
}

TEST_F(StreamWorkerTest, NetrngRequestsSentAheadTakeTurns) {
  hub_.seed_drbg();
  outlets::NetrngSettings netrng;
  netrng.stream = settings(Grade::drbg);
  netrng.stream.at = {};
  netrng.stream.at.address = {"127.0.0.1", 0};
  const auto outlet = outlets::make_netrng(netrng, hub_.services());
  outlet->start();
  const auto question = encode(wire::netrng::Side::client, wire::netrng::Verb::sample);
  const std::string at = outlet->report().detail.substr(std::string("listening on ").size());
  expect_turns(connect(at), repeated(question, 300),
               300 * (netrng.sample_bytes + wire::netrng::sample_head_bytes +
                      wire::netrng::delimiter.size()));
}

TEST_F(StreamWorkerTest, VmportQuestionsSentAheadTakeTurns) {
  hub_.credit(64 << 10);
  const auto outlet = outlets::make_vmport(settings(Grade::full), hub_.services());
  outlet->start();
  const auto question = wire::vmport::encode(wire::vmport::GuestFrame{1, 64, true});
  expect_turns(connect(), repeated(question, 300), 301 * wire::vmport::host_frame_bytes);
}

TEST_F(StreamWorkerTest, PipelinedHttpRequestsAndStreamsTakeTurns) {
  hub_.credit(64 << 10);
  outlets::HttpSettings http;
  http.name = "http";
  http.address = {"127.0.0.1", 0};
  outlets::HttpOutlet outlet(http, hub_.all_services());
  outlet.start();
  std::string requests;
  for (int i = 0; i < 1000; ++i) requests += "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
  requests += "GET /v1/stream?grade=full HTTP/1.1\r\nHost: localhost\r\n\r\n";
  const Bytes text = as_bytes(requests);
  expect_turns(connect(outlet.address_text()), Samples(text.begin(), text.end()),
               (1000 * 80) + (32 << 10));
}

TEST_F(StreamWorkerTest, AHeaderInRecordsOfOneByteTakesTurns) {
  outlets::HttpSettings https;
  https.name = "https";
  https.tls = true;
  https.address = {"127.0.0.1", 0};
  outlets::HttpOutlet outlet(https, hub_.all_services());
  outlet.start();
  const UniqueFd fd = connect(outlet.address_text());
  const auto context =
      net::make_client_context({.pin = hub_.pin(), .ca = {}, .certificate = {}, .key = {}});
  const crypto::SslPtr ssl(SSL_new(context.get()));
  SSL_set_fd(ssl.get(), fd.get());
  while (SSL_connect(ssl.get()) != 1) {
    ASSERT_EQ(SSL_get_error(ssl.get(), -1), SSL_ERROR_WANT_READ);
    ASSERT_EQ(wait_for(fd.get(), POLLIN, waker_, Duration(30s)), Wake::ready);
  }
  // All records at once, so that they are there whenever the hub looks.
  BIO* const records = BIO_new(BIO_s_mem());
  SSL_set0_wbio(ssl.get(), records);
  const std::string request =
      "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(2000, 'x') + "\r\n\r\n";
  for (const char c : request) ASSERT_EQ(SSL_write(ssl.get(), &c, 1), 1);
  char* data = nullptr;
  const auto size = static_cast<std::size_t>(BIO_get_mem_data(records, &data));
  const Bytes all(reinterpret_cast<const std::uint8_t*>(data), size);
  expect_turns(fd, Samples(all.begin(), all.end()), 100);
  EXPECT_GT(clock_.readings(), request.size())
      << "it asks for each record whether its turn is over";
}

TEST_F(StreamWorkerTest, AnExceptionInTheAcceptLoopIsAnAlarmAndItBeginsAgain) {
  hub_.credit(4096);
  const auto outlet = outlets::make_egd(settings(Grade::full), hub_.services());
  outlet->start();
  clock_.fail_once();  // the next reading is the accept loop's
  const UniqueFd fd = connect();
  EXPECT_TRUE(eventually([&] { return !events().empty(); }));
  EXPECT_EQ(events().at(0),
            "!outlet: accepting connections failed: out of memory (std::bad_alloc); it begins "
            "again in 1.0 s");
  say(fd, Samples{2, 32});
  EXPECT_EQ(hear(fd, 32), 32U);
}

TEST_F(StreamWorkerTest, AnExceptionInTheSweepIsAnAlarmAndItBeginsAgain) {
  limits_.header = 0s;
  const auto outlet = outlets::make_egd(settings(Grade::full), hub_.services());
  outlet->start();
  const UniqueFd fd = connect();
  EXPECT_TRUE(eventually([&] { return outlet->report().connections == 1; }));
  clock_.fail_once();  // the next reading is the sweep's
  EXPECT_TRUE(eventually([&] { return !events().empty(); }));
  EXPECT_EQ(events().at(0).rfind("!outlet: closing late connections failed", 0), 0U);
  say(fd, Samples{3});
  EXPECT_TRUE(is_closed(fd)) << "by the sweep that has begun again";
}

TEST_F(StreamWorkerTest, HalfACommandThatDripsHasNoMoreTimeThanOneThatStands) {
  limits_.header = 2s;
  TestHub hub;  // with the machine's clock
  const auto outlet = outlets::make_egd(settings(Grade::full), hub.services());
  outlet->start();
  const UniqueFd fd = connect();
  bool closed = false;
  say(fd, Samples{3, 255, 255, 255});
  for (int i = 0; i < 300 && !closed; ++i) {
    say(fd, Samples{1});
    closed = wait_for(fd.get(), POLLIN, waker_, Duration(100ms)) == Wake::ready;
  }
  EXPECT_TRUE(closed);
  EXPECT_EQ(outlet->report().refused.at("timeout"), 1U);
}

TEST_F(StreamWorkerTest, ABlockingReadIsNotHeldForEver) {
  limits_.line = 100ms;
  const auto outlet = outlets::make_egd(settings(Grade::full), hub_.services());
  outlet->start();
  const UniqueFd fd = connect();
  say(fd, Samples{2, 64, 0});
  EXPECT_TRUE(is_closed(fd));
  EXPECT_TRUE(eventually([&] { return outlet->report().refused.at("unavailable") == 1; }));
}

TEST_F(StreamWorkerTest, ANetrngClientThatDripsKeepsNoPlace) {
  TestHub hub;  // with the machine's clock
  outlets::NetrngSettings netrng;
  netrng.stream = settings(Grade::drbg);
  netrng.stream.at = {};
  netrng.stream.at.address = {"127.0.0.1", 0};
  const auto outlet = outlets::make_netrng(netrng, hub.services());
  outlet->start();
  const std::string at = outlet->report().detail.substr(std::string("listening on ").size());
  const UniqueFd fd = connect(at);
  const auto question = encode(wire::netrng::Side::client, wire::netrng::Verb::sample);
  bool closed = false;
  for (std::size_t i = 0; i + 1 < question.size() && !closed; ++i) {
    say(fd, Bytes(question).subspan(i, 1));
    closed = wait_for(fd.get(), POLLIN, waker_, Duration(500ms)) == Wake::ready;
  }
  EXPECT_TRUE(closed);
}

// Peers of two blocks: all of 127.0.0.0/8, and ::1.
class PlacesTest : public StreamWorkerTest {
 protected:
  std::unique_ptr<outlets::HttpOutlet> start(std::size_t connections, std::size_t of_a_peer) {
    outlets::HttpSettings http;
    http.name = "http";
    http.limits.connections = connections;
    http.limits.peer_connections = of_a_peer;
    return start(std::move(http));
  }
  std::unique_ptr<outlets::HttpOutlet> start(outlets::HttpSettings http) {
    http.address = {"::", 0};
    auto outlet = std::make_unique<outlets::HttpOutlet>(http, hub_.all_services());
    outlet->start();
    at_ = outlet->address_text();
    return outlet;
  }
  UniqueFd connect_from(const std::string& host) {
    const std::uint16_t port = spec::parse_address(at_)->port;
    if (host == "::1") return std::move(*net::connect_tcp({host, port}, waker_, 10s));
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in from{};
    from.sin_family = AF_INET;
    ::inet_pton(AF_INET, host.c_str(), &from.sin_addr);
    sockaddr_in to = from;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(port);
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&from), sizeof from), 0);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    return fd;
  }
  bool is_served(const UniqueFd& fd) {
    say(fd, as_bytes(std::string_view("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")));
    // All of the answer: what is left of it would hide an end.
    std::string answer;
    char c = 0;
    while (!answer.ends_with("ok\n") && wait_for(fd.get(), POLLIN, waker_, 30s) == Wake::ready &&
           ::recv(fd.get(), &c, 1, 0) == 1) {
      answer += c;
    }
    return answer.ends_with("ok\n");
  }
  std::string at_;
};

TEST_F(PlacesTest, APeerThatHoldsAllConnectionsGivesWayToAnother) {
  const auto outlet = start(10, 10);
  std::vector<UniqueFd> held;
  for (int i = 0; i < 10; ++i) held.push_back(connect_from("127.0.0.1"));
  EXPECT_TRUE(eventually([&] { return outlet->report().connections == 10; }));
  const UniqueFd other = connect_from("::1");
  EXPECT_TRUE(is_served(other));
  EXPECT_TRUE(is_closed(held[0])) << "the oldest";
  EXPECT_EQ(outlet->report().refused.at("displaced"), 1U);
  const UniqueFd eleventh = connect_from("127.5.0.1");
  EXPECT_TRUE(is_closed(eleventh)) << "the same block has no less than another";
  EXPECT_EQ(outlet->report().refused.at("connections"), 1U);
}

TEST_F(PlacesTest, ABlockHasItsPartAndItsIdleOnesGiveWayToItsNewOnes) {
  const auto outlet = start(10, 3);
  std::vector<UniqueFd> held;
  for (int i = 0; i < 3; ++i) held.push_back(connect_from("127.0.0.1"));
  EXPECT_TRUE(eventually([&] { return outlet->report().connections == 3; }));
  // Busy ones stay.
  const std::string_view stream = "GET /v1/stream?grade=full HTTP/1.1\r\nHost: localhost\r\n\r\n";
  for (const UniqueFd& fd : held) say(fd, as_bytes(stream));
  for (const UniqueFd& fd : held) EXPECT_EQ(hear(fd, 50), 50U);
  const UniqueFd refused = connect_from("127.0.0.1");
  EXPECT_TRUE(is_closed(refused));
  EXPECT_EQ(outlet->report().refused.at("peer_connections"), 1U);
  held[1] = {};
  EXPECT_TRUE(eventually([&] { return outlet->report().connections == 2; }));
  const UniqueFd third = connect_from("127.0.0.1");
  EXPECT_TRUE(is_served(third));
  const UniqueFd newest = connect_from("127.0.0.1");
  EXPECT_TRUE(is_served(newest)) << "for the idle one";
  EXPECT_TRUE(is_closed(third));
}

TEST_F(PlacesTest, WhoWaitsForRoomIsNotHeldUpByOthersThatWait) {
  hub_.seed_drbg();
  outlets::NetrngSettings netrng;
  netrng.stream = settings(Grade::drbg);
  netrng.stream.at = {};
  netrng.stream.at.address = {"::", 0};
  netrng.stream.limits.connections = 2;
  netrng.stream.limits.wait_for_room = true;
  const auto outlet = outlets::make_netrng(netrng, hub_.services());
  outlet->start();
  at_ = outlet->report().detail.substr(std::string("listening on ").size());
  const auto question = encode(wire::netrng::Side::client, wire::netrng::Verb::sample);
  std::vector<UniqueFd> greedy;
  for (int i = 0; i < 20; ++i) greedy.push_back(connect_from("127.0.0.1"));
  EXPECT_TRUE(eventually([&] { return outlet->report().refused.at("connections") == 2; }))
      << "two are in, sixteen wait";
  const UniqueFd other = connect_from("::1");
  say(other, question);
  EXPECT_GT(hear(other, 100), 0U);
}

TEST_F(PlacesTest, HandshakesOfOneBlockPushOutItsOwn) {
  outlets::HttpSettings https;
  https.name = "https";
  https.tls = true;
  https.limits.handshakes = 4;
  const auto outlet = start(std::move(https));
  // The first byte of a handshake, and no more.
  const Bytes first = as_bytes(std::string_view("\x16"));
  const UniqueFd honest = connect_from("::1");
  say(honest, first);
  EXPECT_TRUE(eventually([&] { return outlet->report().connections == 1; }));
  std::vector<UniqueFd> greedy;
  for (int i = 0; i < 12; ++i) {
    greedy.push_back(connect_from(fmt::format("127.{}.0.1", i)));
    say(greedy.back(), first);
  }
  EXPECT_TRUE(eventually([&] { return outlet->report().refused.at("handshake") == 9; }));
  for (int i = 0; i < 9; ++i) EXPECT_TRUE(is_closed(greedy[static_cast<std::size_t>(i)]));
  EXPECT_EQ(wait_for(honest.get(), POLLIN, waker_, Duration(0)), Wake::timeout) << "still there";
}

TEST(LimitsTest, OutletsTogetherHaveFewerConnectionsThanDescriptors) {
  Limits usual;
  for (const std::size_t descriptors : {1U, 64U, 512U, 1024U, 20000U, 65536U, 1U << 20}) {
    for (const std::size_t outlets : {0U, 1U, 2U, 5U, 30U}) {
      const Limits fit = within_descriptors(usual, descriptors, outlets);
      EXPECT_GE(fit.connections, 1U);
      EXPECT_LE(fit.connections, usual.connections);
      if (descriptors > 100) {
        EXPECT_LE(fit.connections * outlets + 64, descriptors);
      }
      // One peer leaves some to the others.
      if (fit.connections > 8) {
        EXPECT_LT(fit.peer_connections, fit.connections);
      }
      EXPECT_GE(fit.peer_connections, 1U);
    }
  }
  const Limits all = within_descriptors(usual, 1U << 20, 3);
  EXPECT_EQ(all.connections, 20000U);
  EXPECT_EQ(all.peer_connections, 10000U);
  EXPECT_EQ(within_descriptors(usual, 20000, 1).peer_connections, 10000U);
}

}  // namespace
}  // namespace qanat::serve
