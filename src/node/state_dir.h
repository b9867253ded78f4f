// What a node keeps on disk: its id, its server key, its clients. Everything 0600 in a directory
// 0700.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "crypto/certificate.h"
#include "node/state_lock.h"
#include "share/client_book.h"

namespace qanat::node {

struct Identity {
  SecretBytes key_pem;
  std::string certificate_pem;
  crypto::Pin pin{};
};

struct StoredClient {
  std::string name;
  SecretBytes key;
  share::Terms terms;
  bool observer = false;
};
struct StoredClients {
  std::vector<StoredClient> clients;
  std::vector<share::Bar> bars;  // the oldest first
};

// When it cannot be written (full, read-only) a running node goes on without it and says so; what
// must be kept to be true (a new client) fails instead.
class StateDir {
 public:
  explicit StateDir(std::string path) : path_(std::move(path)) {}

  // $STATE_DIRECTORY under systemd, /var/lib/qanat for root, for others $XDG_STATE_HOME/qanat or
  // .local/state/qanat in the home directory, which the passwd database knows where $HOME does not.
  // Throws Failure for an account without a home.
  static std::string default_path();
  // Root gives it to the account of the service, and trusts that account with what lies in it.
  static constexpr const char* roots_path = "/var/lib/qanat";

  const std::string& path() const { return path_; }
  std::string control_socket() const { return path_ + "/control.sock"; }

  bool exists() const;
  // Whether it is a node's, or nobody's: there is none, or it is empty.
  bool is_a_nodes() const;
  // What a node keeps in it, and in its `cookies`, by name.
  std::vector<std::string> names() const;
  // Makes the directory. An Error when the disk does not take it; throws Failure when it is a file,
  // or no directory can be made there, and when others can write it, or put another into its
  // place.
  Result<void> prepare() const;
  // An Error unless root alone decides what is at this path, as is needed where root gives it, or
  // gave it, to `account`. A feed's is in a hub's, which root gave away.
  Result<void> check_above(unsigned account) const;
  // What prepare throws.
  Result<void> check_owner() const;
  // What prepare, and a start with what is stored here, would come to; makes and changes nothing.
  // An Error when the directory could not be written; throws Failure when the node would not start.
  Result<void> look() const;
  // Held until the object ends: one node a directory. Removes what a killed one left half written.
  // An Error when it cannot be written; throws Failure when another node has it.
  Result<StateLock> lock() const;

  // The stored ones, or fresh ones that are stored if possible; a warning says when not. Throws
  // Failure where a fresh key would cut off those who know the old one, and when a file is damaged.
  // The same at each call, though it cannot be kept. By one thread.
  std::string node_id() const;
  Identity identity() const;
  // Writes of these what is not there.
  Result<void> restore(const std::string& node_id, const Identity* identity,
                       const std::string& address) const;
  // Whether a hub was here, which clients know by its key.
  bool has_key() const;
  // Whether what a node of this kind always has is there.
  bool whole(bool with_identity, bool with_clients, bool with_address) const;
  // Whether the server key on disk is this one; true when there is none.
  bool agrees_with(const Identity& identity) const;

  // Pre-shared keys are sealed with a key in a second file, so that a look at the first, a backup
  // of it or a line of it in a chat gives nothing away.
  Result<StoredClients> load_clients() const;
  Result<void> store_clients(const StoredClients& clients) const;

  // The text of outlets/trickle/cookie_keys.h; empty before it was first written.
  Result<SecretBytes> cookie_keys() const;
  Result<void> store_cookie_keys(Bytes text) const;

  // Where clients of trickle keep their cookies (peers/cookie_jar.h); made if need be.
  Result<std::string> cookie_directory() const;

  // The boot seeds that were used here (machine/boot_seed.h).
  std::string used_seeds() const { return file("used-seeds"); }

  // Where the node's https outlet was last reachable, for `invite` while it does not run.
  std::optional<std::string> address() const;
  void remember_address(const std::string& address) const;

 private:
  std::string file(const char* name) const { return path_ + "/" + name; }
  bool has(const char* name) const;
  Identity stored_identity() const;
  Identity make_identity() const;
  void refuse_new_key() const;
  Result<SecretBytes> stored_sealing_key() const;
  Result<SecretBytes> sealing_key() const;

  std::string path_;
  mutable std::string drawn_id_;  // where it could not be kept
};

}  // namespace qanat::node
