// Inviting and revoking: the client book and its copy on disk, together.
#pragma once

#include <optional>
#include <string>

#include "base/mutex.h"
#include "node/state_dir.h"
#include "share/client_book.h"

namespace qanat::node {

// Thread-safe. Used by a running node, and by `qanat invite` where none runs.
class ClientStore {
 public:
  // Reads what is stored, the oldest invitation first: promises are kept in this order. Throws
  // Failure when the file is damaged.
  ClientStore(const StateDir& state, share::ClientBook& book);

  struct Invitation {
    std::string join;      // the join string
    std::uint64_t serial;  // of the client, to withdraw it
  };

  // An Error when the name is taken or barred, or the state cannot be written: an invitation that a
  // restart forgets is none. `replace`: a client of that name that was invited before ends; an
  // Error leaves it as it was, but for its connections.
  Result<Invitation> invite(const std::string& name, share::Terms terms, const std::string& address,
                            const crypto::Pin& pin, bool replace = false);
  // The same for one who may see all and draws nothing: `join` is its token.
  Result<Invitation> invite_observer(const std::string& name, bool replace = false);
  // Undoes an invitation whose join string nobody got; the name stays free.
  Result<void> withdraw(const std::string& name, std::uint64_t serial);
  // Bars the name, and ends its client: true when there was one. An Error when it is barred
  // already. When the disk does not take it, it is revoked all the same, and the error says so.
  Result<bool> revoke(const std::string& name);
  // Lifts a bar. An Error when there is none.
  Result<void> allow(const std::string& name);
  // The book as it is now to the disk.
  Result<void> keep();

 private:
  struct Guest {
    SecretBytes key;
    std::optional<share::Terms> terms;  // none of an observer
  };
  Result<Invitation> add(const std::string& name, Guest guest, std::string invitation,
                         bool replace);
  Result<void> store() EXCLUDES(mutex_);

  const StateDir& state_;
  share::ClientBook& book_;
  Mutex mutex_;  // of the file
};

}  // namespace qanat::node
