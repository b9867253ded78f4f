// Which file a path names, and whether it is still as it was.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

namespace qanat {

// A file, whatever its names are.
struct FileId {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const FileId&) const = default;
};

// Changes with the file's content, in all but clocks that stand still.
struct FileStamp {
  FileId id;
  off_t size = 0;
  std::int64_t modified = 0;  // nanoseconds since 1970
  std::int64_t changed = 0;   // of the inode
  bool operator==(const FileStamp&) const = default;
};

// nullopt: there is no such file, or it cannot be examined. Links are followed.
std::optional<FileId> file_id(const std::string& path);
std::optional<FileId> file_id(int fd);
std::optional<FileStamp> file_stamp(const std::string& path);

}  // namespace qanat
