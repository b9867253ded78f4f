// Inviting and revoking: the client book and its copy on disk, together.
#pragma once

#include "base/mutex.h"
#include "node/config.h"
#include "node/state_dir.h"
#include "share/client_book.h"

namespace qanat::node {

// Thread-safe. Used by a running node, and by `qanat invite` where none runs.
class ClientStore {
 public:
  // Reads what is stored, the oldest invitation first: promises are kept in this order. Throws
  // Failure when the file is damaged.
  ClientStore(const StateDir& state, share::ClientBook& book);

  // The join string. An Error when the name is taken, or the state cannot be written: an invitation
  // that a restart forgets is none.
  Result<std::string> invite(const std::string& name, share::Terms terms,
                             const std::string& address, const crypto::Pin& pin);
  // An Error when there is no such client. When the disk does not take it, the client is revoked
  // all the same, and the error says so.
  Result<void> revoke(const std::string& name);

 private:
  Result<void> store() EXCLUDES(mutex_);

  const StateDir& state_;
  share::ClientBook& book_;
  Mutex mutex_;  // of the file
};

}  // namespace qanat::node
