#include "node/state_dir.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "crypto/aead.h"
#include "machine/boot_seed.h"
#include "node/client_store.h"

namespace qanat::node {
namespace {

class StateDirTest : public testing::Test {
 protected:
  static std::string make_directory() {
    std::string pattern = testing::TempDir() + "/qanat-state-XXXXXX";
    return ::mkdtemp(pattern.data());
  }
  ~StateDirTest() override { std::filesystem::remove_all(directory_); }

  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  void write(const std::string& name, std::string_view content) const {
    ASSERT_TRUE(replace_file(path(name), as_bytes(content), 0600));
  }
  std::string content(const std::string& name) const { return read_file(path(name)).value(); }
  // A hub with one client.
  void fill() const {
    (void)state_.identity();
    StoredClients stored;
    StoredClient client;
    client.name = "router";
    client.key = SecretBytes(share::shared_key_bytes);
    stored.clients.push_back(std::move(client));
    stored.bars = {{"gone", true}, {"db", false}};
    ASSERT_TRUE(state_.store_clients(stored));
  }
  // What a start does with it; what is said when it refuses.
  std::string start() const {
    try {
      share::ClientBook book(
          [](const std::string&, const share::Terms& terms) { return share::Flow(terms); });
      const ClientStore store(state_, book);
      (void)state_.identity();
      (void)state_.node_id();
      return "";
    } catch (const std::exception& problem) {
      return problem.what();
    }
  }
  // One line that names the file and says what to do, and nothing from inside of a library.
  static void expect_helpful(const std::string& said, const std::string& file, std::size_t size) {
    EXPECT_NE(said.find(file), std::string::npos) << size << ": " << said;
    EXPECT_TRUE(said.find("remove") != std::string::npos) << size << ": " << said;
    for (const char* const inside : {".hpp", "boost", "null parameter", "\n", "parse_error"}) {
      EXPECT_EQ(said.find(inside), std::string::npos) << size << ": " << said;
    }
  }

  const std::string directory_ = make_directory();
  const StateDir state_{directory_};
};

TEST_F(StateDirTest, EachFileCutAnywhereIsNamedWithWhatToDo) {
  fill();
  ASSERT_EQ(start(), "");
  for (const char* const name : {"server.key", "server.crt", "clients.json", "clients.key"}) {
    const std::string whole = content(name);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      write(name, whole.substr(0, size));
      const std::string said = start();
      // Cut by its last newline it is whole, and says so by starting.
      if (said.empty() && whole.back() == '\n' && size + 1 == whole.size()) continue;
      expect_helpful(said, path(name), size);
    }
    write(name, "garbage\n");
    expect_helpful(start(), path(name), 8);
    write(name, whole);
    ASSERT_EQ(start(), "") << name;
  }
  for (const char* const odd :
       {"{}", "[]", "{\"clients\": 1}", "{\"clients\": [], \"barred\": [1]}", "null",
        "{\"clients\": [{}], \"barred\": []}",
        "{\"clients\": [{\"name\": \"x\", \"key\": \"AA\", \"rate\": 0, \"burst\": 0, \"weight\": "
        "1}], \"barred\": []}"}) {
    write("clients.json", odd);
    expect_helpful(start(), path("clients.json"), 0);
  }
}

// Else a loop through this node would not be seen any more.
TEST_F(StateDirTest, AnIdThatCannotBeReadIsNotReplaced) {
  const std::string id = state_.node_id();
  const std::string file = state_.path() + "/node-id";
  std::filesystem::rename(file, file + ".away");
  std::filesystem::create_directory(file);
  EXPECT_THROW((void)state_.node_id(), Failure);
  std::filesystem::remove(file);
  std::filesystem::rename(file + ".away", file);
  EXPECT_EQ(state_.node_id(), id);
}

// A disk that is full: what stands in the certificate is what the node is called.
TEST_F(StateDirTest, AnIdThatCannotBeKeptIsTheSameAtEachCall) {
  const StateDir nowhere(path("absent"));
  const std::string id = nowhere.node_id();
  EXPECT_EQ(nowhere.node_id(), id);
  ASSERT_TRUE(nowhere.prepare());
  const Identity identity = nowhere.identity();
  ASSERT_FALSE(nowhere.whole(true, false, true));
  ASSERT_TRUE(nowhere.restore(id, &identity, "hub.example:7749"));
  EXPECT_TRUE(nowhere.whole(true, false, true));
  EXPECT_EQ(nowhere.address(), "hub.example:7749");
  EXPECT_EQ(StateDir(path("absent")).node_id(), id);
}

TEST_F(StateDirTest, ADamagedIdAddressOrListOfSeedsIsNotFollowed) {
  const std::string id = state_.node_id();
  for (std::size_t size = 0; size < id.size(); ++size) {
    write("node-id", id.substr(0, size));
    EXPECT_EQ(state_.node_id().size(), 16U) << "a new one";
  }
  state_.remember_address("hub.example:7749");
  EXPECT_EQ(state_.address(), "hub.example:7749");
  for (const char* const odd : {"", "hub", "hub:", "\n", ":::", "hub:99999"}) {
    write("address", odd);
    EXPECT_EQ(state_.address(), std::nullopt) << odd;
  }
  const std::string line = std::string(32, 'a') + "\n";
  const std::string seed = path("seed");
  for (std::size_t size = 1; size < line.size(); ++size) {
    write("used-seeds", line + line.substr(0, size));
    write("seed", std::string(64, 's'));
    const auto used = machine::use_boot_seed({seed, true, false}, state_.used_seeds(),
                                             [](Bytes, std::size_t) { return Result<void>(); });
    const std::string said = !used ? used.error().message : used->why_not;
    EXPECT_NE(said.find(state_.used_seeds()), std::string::npos) << size << ": " << said;
    EXPECT_TRUE(!used || !used->credited);
  }
}

TEST_F(StateDirTest, NoNewKeyIsMadeWhereClientsKnowTheOldOne) {
  fill();
  const auto pin = state_.identity().pin;
  const std::string key = content("server.key");
  ::unlink(path("server.key").c_str());
  expect_helpful(start(), path("server.key"), 0);
  EXPECT_NE(start().find("backup"), std::string::npos);
  ::unlink(path("server.crt").c_str());
  expect_helpful(start(), path("clients.json"), 0);
  EXPECT_NE(::access(path("server.key").c_str(), F_OK), 0) << "nothing was made";
  // The key alone is enough: a certificate for it is made anew.
  write("server.key", key);
  EXPECT_EQ(start(), "");
  EXPECT_EQ(state_.identity().pin, pin);
  // Of another key: neither is guessed to be the right one.
  ::unlink(path("server.key").c_str());
  const std::string certificate = content("server.crt");
  ::unlink(path("server.crt").c_str());
  ::unlink(path("clients.json").c_str());
  EXPECT_EQ(start(), "") << "as it was told to begin anew";
  EXPECT_NE(state_.identity().pin, pin);
  write("server.crt", certificate);
  expect_helpful(start(), path("server.crt"), 0);
}

TEST_F(StateDirTest, BarsAreKeptInTheirOrderAndReadAsOlderVersionsWroteThem) {
  fill();
  const auto stored = state_.load_clients();
  ASSERT_TRUE(stored);
  ASSERT_EQ(stored->bars.size(), 2U);
  EXPECT_EQ(stored->bars[0].name, "gone");
  EXPECT_TRUE(stored->bars[0].had_key);
  EXPECT_FALSE(stored->bars[1].had_key);
  write("clients.json", "{\"clients\": [], \"barred\": [\"old\"]}\n");
  EXPECT_EQ(state_.load_clients()->bars.at(0).name, "old");
}

TEST_F(StateDirTest, OnePlaceIsHeldByOneNodeEvenWhenTheDirectoryIsEmptiedOrDeleted) {
  auto lock = state_.lock();
  ASSERT_TRUE(lock);
  EXPECT_TRUE(lock->in_place());
  EXPECT_EQ(StateLock::holder(directory_), ::getpid());
  EXPECT_EQ(StateLock::holder(directory_ + "/"), ::getpid());
  EXPECT_THROW((void)state_.lock(), Failure);
  ::unlink(path("lock").c_str());
  EXPECT_FALSE(lock->in_place());
  EXPECT_THROW((void)state_.lock(), Failure);
  EXPECT_NE(::access(path("lock").c_str(), F_OK), 0) << "nothing is left there by who was refused";
  std::filesystem::remove_all(directory_);
  EXPECT_THROW((void)state_.lock(), Failure);
  std::filesystem::create_directory(directory_);
  EXPECT_THROW((void)state_.lock(), Failure);
  EXPECT_TRUE(lock->take_again());
  EXPECT_TRUE(lock->in_place());
  lock = error("");
  EXPECT_TRUE(state_.lock());
}

TEST_F(StateDirTest, TemporariesOfAKilledNodeAreRemoved) {
  write(".server.key.qanat-17-1", "half a key");
  EXPECT_TRUE(state_.lock());
  EXPECT_NE(::access(path(".server.key.qanat-17-1").c_str(), F_OK), 0);
}

TEST_F(StateDirTest, ADirectoryThatOthersCanWriteIsRefused) {
  ::chmod(directory_.c_str(), 0777);
  EXPECT_THROW((void)state_.prepare(), Failure);
  ::chmod(directory_.c_str(), 0700);
  EXPECT_TRUE(state_.prepare());
}

}  // namespace
}  // namespace qanat::node
