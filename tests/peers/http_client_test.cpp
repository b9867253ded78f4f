// What an exchange with a bad server may cost.
#include "peers/http_client.h"

#include <gtest/gtest.h>

#include "peers/transfer_size.h"
#include "support/bad_server.h"

namespace qanat::peers {
namespace {

using test::BadServer;
using namespace std::chrono_literals;

const HttpClient::OnBody take_all = [](Bytes) { return true; };

TEST(HttpClient, GivesUpOneThatDrips) {
  const BadServer server(BadServer::dripping());
  const Waker never;
  HttpClient client(server.endpoint(), never);
  const auto response = client.get("/", take_all, {.whole = 300ms, .answer = {}});
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().trouble, Trouble::unreachable);
  EXPECT_NE(response.error().message.find("is too slow"), std::string::npos)
      << response.error().message;
  // Whoever begins to answer has to end soon, however long he was waited for.
  const auto begun = client.get("/", take_all, {.whole = 1h, .answer = 300ms});
  ASSERT_FALSE(begun);
  EXPECT_NE(begun.error().message.find("is too slow"), std::string::npos);
}

TEST(HttpClient, TakesNoMoreThanWasAskedFor) {
  const BadServer server(BadServer::endless());
  const Waker never;
  HttpClient client(server.endpoint(), never);
  std::uint64_t taken = 0;
  const auto count = [&](Bytes piece) {
    taken += piece.size();
    return true;
  };
  const auto response = client.get("/", count, {.whole = {}, .answer = {}, .body = 1000});
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().trouble, Trouble::protocol);
  EXPECT_LE(taken, 1000U);
  EXPECT_FALSE(client.text("GET", "/", "", 1000));
}

TEST(HttpClient, AnErrorWithoutEndIsOne) {
  const BadServer server([](const BadServer::Peer& peer) {
    if (!peer.hear() || !peer.say("HTTP/1.1 503 No\r\n\r\n")) return;
    while (peer.say(std::string(4096, 'x'))) {
    }
  });
  const Waker never;
  HttpClient client(server.endpoint(), never);
  const auto response = client.get("/", take_all);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().trouble, Trouble::protocol);
}

TEST(HttpClient, AStopInterruptsAFastOne) {
  const BadServer server(BadServer::endless());
  const Waker stop;
  HttpClient client(server.endpoint(), stop);
  const auto response = client.get("/", [&](Bytes) {
    stop.wake();
    return true;
  });
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().trouble, Trouble::stopped);
}

// A hub with much in store, which a crowd then empties: 137 bytes a second are left for each.
}  // namespace
}  // namespace qanat::peers
