// What a node keeps on disk: its id, its server key, its clients. Everything 0600 in a directory
// 0700.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "crypto/certificate.h"
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
};
struct StoredClients {
  std::vector<StoredClient> clients;
  std::vector<std::string> barred;  // names whose certificates are refused
};

// When it cannot be written (full, read-only) a running node goes on without it and says so; what
// must be kept to be true (a new client) fails instead.
class StateDir {
 public:
  explicit StateDir(std::string path) : path_(std::move(path)) {}

  // $STATE_DIRECTORY under systemd, /var/lib/qanat for root, $XDG_STATE_HOME/qanat for others.
  static std::string default_path();

  const std::string& path() const { return path_; }
  std::string control_socket() const { return path_ + "/control.sock"; }

  // Makes the directory. An Error when that is not possible.
  Result<void> prepare() const;
  // Held until the object ends: one node a directory. An Error when another holds it, or when it
  // cannot be written.
  Result<UniqueFd> lock() const;

  // The stored ones, or fresh ones that are stored if possible; a warning says when not.
  std::string node_id() const;
  Identity identity() const;

  // Pre-shared keys are sealed with a key in a second file, so that a look at the first, a backup
  // of it or a line of it in a chat gives nothing away.
  Result<StoredClients> load_clients() const;
  Result<void> store_clients(const StoredClients& clients) const;

  // The text of outlets/cookie_keys.h; empty when there is none yet.
  Result<SecretBytes> cookie_keys() const;
  Result<void> store_cookie_keys(Bytes text) const;

  // Where clients of trickle keep their cookies (net/cookie_jar.h); made if need be.
  Result<std::string> cookie_directory() const;

  // The boot seeds that were used here (node/boot_seed.h).
  std::string used_seeds() const { return file("used-seeds"); }

  // Where the node's https outlet was last reachable, for `invite` while it does not run.
  std::optional<std::string> address() const;
  void remember_address(const std::string& address) const;

 private:
  std::string file(const char* name) const { return path_ + "/" + name; }
  Result<SecretBytes> sealing_key() const;

  std::string path_;
};

}  // namespace qanat::node
