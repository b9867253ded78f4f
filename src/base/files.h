// File descriptors and small files.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "base/secret.h"

namespace qanat {

// Owns a file descriptor.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset();

 private:
  int fd_ = -1;
};

// What may be read: where others may replace the file of a node that runs, no FIFO, whose opening
// waits for a writer, and no device without an end.
enum class FileKind { any, regular };

// The whole file, at most `limit` bytes (an Error beyond that, as for a file that cannot be read).
Result<std::string> read_file(const std::string& path, std::size_t limit = 1 << 20,
                              FileKind kind = FileKind::any);
// The same into secret memory; mode bits for group or others are an Error, as a key that others
// can read is no secret. But the group may read what is root's, where this is not root.
Result<SecretBytes> read_secret_file(const std::string& path, std::size_t limit = 1 << 16,
                                     FileKind kind = FileKind::any);

// Until end of file or `out` is full: how many bytes. `path` is for messages.
Result<std::size_t> read_all(int fd, const std::string& path, MutableBytes out);
// All of it; `path` is for messages.
Result<void> write_all(int fd, const std::string& path, Bytes content);

// Makes the directory of `path` (0755) when only it is missing, as below /run after a boot. Whoever
// then opens `path` says what is wrong, if anything is.
void make_directory_of(const std::string& path);
// The errno value with which a file could not be made at `path` now, its directory made if only
// that is missing; 0 when it could.
int why_not_made(const std::string& path);

// Replaces `path` in one step: a temporary file of `mode` beside it, fsync, rename, fsync of the
// directory. After a crash the old or the new content is there, never a part. The temporary has no
// name until it is whole, where the file system can do that (O_TMPFILE); what a crash leaves
// behind is for remove_temporaries.
Result<void> replace_file(const std::string& path, Bytes content, unsigned mode);
// The same, but an Error where anything is at `path`, a link that leads nowhere too.
Result<void> write_new_file(const std::string& path, Bytes content, unsigned mode);
// Removes what these two left in `directory` when it was killed: of the file `name` there, or of
// all. Only regular files of our own that nobody is writing; how many.
std::size_t remove_temporaries(const std::string& directory, std::string_view name = {});
// The two parts of a path; "." for a name alone.
std::string directory_of(const std::string& path);
std::string_view name_of(std::string_view path);

}  // namespace qanat
