// One node a state directory, even where the directory is taken away from under it.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "base/files.h"

namespace qanat::node {

// Two locks. The file `lock` in the directory, which two nodes that share the file system see. And
// an abstract UNIX socket named after the place where the directory is, not after the directory
// itself: it is there still when the directory was emptied, deleted or made anew. The second one
// counts when its owner is this account or root; others may take the name, and gain nothing.
class StateLock {
 public:
  // Held until the object ends. An Error when the directory cannot be written; throws Failure when
  // another node has it.
  static Result<StateLock> take(const std::string& directory);
  // The process that holds the directory's place; nullopt when there is none, or it is hidden from
  // us in another network namespace.
  static std::optional<pid_t> holder(const std::string& directory);

  // Whether the directory's lock file is the one that we hold.
  bool in_place() const;
  // Takes the directory that is in its place now, and gives up the one that was lost. An Error when
  // another has it, or it cannot be written.
  Result<void> take_again();

 private:
  explicit StateLock(std::string directory) : directory_(std::move(directory)) {}
  std::string path() const { return directory_ + "/lock"; }

  std::string directory_;
  UniqueFd file_;
  UniqueFd place_;
};

}  // namespace qanat::node
