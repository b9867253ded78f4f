#include "sources/entropykey/keyring.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>

#include "base/files.h"
#include "base/powers.h"

namespace qanat::sources {

using wire::entropykey::key_bytes;
using wire::entropykey::SerialNumber;

namespace {

constexpr std::size_t most_keyring_bytes = 1 << 16;
constexpr std::string_view keyring_head =
    "# The long-term keys of EntropyKeys: keep them secret. Kept by 'qanat entropykey'.\n";

struct Keyring {
  SecretBytes content;
  std::size_t size = 0;
  bool exists = false;
  struct stat info {};

  std::string_view text() const { return as_text(content.view()).substr(0, size); }
};

// Others may be let in on purpose: the account of a node, by its group.
Result<Keyring> read_keyring(const std::string& path) {
  Keyring keyring{.content = SecretBytes(most_keyring_bytes)};
  const UniqueFd fd(open_file(path, O_RDONLY | O_NONBLOCK));
  if (!fd && errno == ENOENT) return keyring;
  if (!fd) return error(with_errno("cannot read the keyring " + path, errno));
  if (::fstat(fd.get(), &keyring.info) != 0 || !S_ISREG(keyring.info.st_mode)) {
    return error("the keyring " + path + " is not a regular file");
  }
  const auto size = read_all(fd.get(), path, keyring.content.view());
  if (!size) return tl::unexpected(size.error());
  if (*size == most_keyring_bytes) return error("the keyring " + path + " is too large for one");
  keyring.size = *size;
  keyring.exists = true;
  return keyring;
}

// The first line, with its end; takes it off.
std::string_view take_line(std::string_view& text) {
  const std::string_view line = text.substr(0, std::min(text.find('\n'), text.size() - 1) + 1);
  text.remove_prefix(line.size());
  return line;
}

std::string_view take_word(std::string_view& line) {
  constexpr std::string_view blanks = " \t\r\n\v\f";
  line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(blanks));
  line.remove_prefix(word.size());
  return word;
}

// False where the line is not one of this device.
bool read_line(std::string_view line, const SerialNumber& serial, MutableBytes key) {
  return wire::entropykey::parse_serial(take_word(line)) == serial &&
         read_base64(take_word(line), key);
}

// As long as a line of a key.
constexpr std::string_view room_for_a_line =
    "# a new long-term key will stand here, while the device is being given it\n";

// What is written, piece by piece, into secret memory.
class KeyringWriter {
 public:
  // Of a keyring and one line more of that size.
  KeyringWriter(const Keyring& old, std::size_t line)
      : content_(old.size + keyring_head.size() + 1 + line) {
    if (!old.exists) append(as_bytes(keyring_head));
  }
  void append(Bytes piece) {
    std::copy(piece.begin(), piece.end(),
              content_.view().begin() + static_cast<std::ptrdiff_t>(size_));
    size_ += piece.size();
  }
  // In a line of its own.
  void append_line(Bytes line) {
    if (size_ > 0 && content_.view()[size_ - 1] != '\n') append(as_bytes("\n"));
    append(line);
  }
  Bytes view() const { return content_.view().first(size_); }

 private:
  SecretBytes content_;
  std::size_t size_ = 0;
};

}  // namespace

Result<SecretBytes> find_long_term_key(const std::string& keyring, const SerialNumber& serial) {
  const auto read = read_keyring(keyring);
  if (!read) return tl::unexpected(read.error());
  if (!read->exists) return error(with_errno("cannot read the keyring " + keyring, ENOENT));
  SecretBytes found;
  SecretBytes key(key_bytes);
  std::string_view text = read->text();
  while (!text.empty()) {
    if (read_line(take_line(text), serial, key.view())) found = SecretBytes(Bytes(key.view()));
  }
  return found;
}

SecretBytes keyring_line(const SerialNumber& serial, Bytes long_term_key) {
  const std::string first = wire::entropykey::to_text(serial) + ' ';
  const std::size_t digits = base64_size(long_term_key.size());
  SecretBytes line(first.size() + digits + 1);
  const MutableBytes out = line.view();
  std::copy(first.begin(), first.end(), out.begin());
  write_base64(long_term_key, {reinterpret_cast<char*>(out.data()) + first.size(), digits});
  out.back() = '\n';
  return line;
}

namespace {

// Where the file itself is: a link to it stays one.
std::string real_path(const std::string& keyring) {
  std::error_code none;
  const auto real = std::filesystem::canonical(keyring, none);
  return none ? keyring : real.string();
}

// A node may read it by its group; one that all might read was an oversight.
unsigned mode_of(const Keyring& old) {
  const bool on_purpose = old.exists && (old.info.st_mode & 0007U) == 0;
  return on_purpose ? old.info.st_mode & 0660U : 0600U;
}

Result<void> replace_keyring(const std::string& keyring, const Keyring& old, Bytes content) {
  if (content.size() >= most_keyring_bytes) {
    return error("the keyring " + keyring + " is too large for another key");
  }
  const std::string path = real_path(keyring);
  if (auto replaced = replace_file(path, content, mode_of(old)); !replaced) return replaced;
  if (old.exists && ::chown(path.c_str(), old.info.st_uid, old.info.st_gid) != 0 &&
      old.info.st_uid != ::geteuid()) {
    return error(
        with_errno("the new key is in " + keyring + ", but cannot give it its owner back", errno));
  }
  return {};
}

}  // namespace

Result<void> put_long_term_key(const std::string& keyring, const SerialNumber& serial,
                               Bytes long_term_key) {
  const auto old = read_keyring(keyring);
  if (!old) return tl::unexpected(old.error());
  const SecretBytes line = keyring_line(serial, long_term_key);
  KeyringWriter writer(*old, line.size());
  bool written = false;
  SecretBytes ignored(key_bytes);
  std::string_view text = old->text();
  while (!text.empty()) {
    const std::string_view other = take_line(text);
    if (!read_line(other, serial, ignored.view())) {
      writer.append(as_bytes(other));
    } else if (!std::exchange(written, true)) {
      writer.append(line.view());
    }
  }
  if (!written) writer.append_line(line.view());
  return replace_keyring(keyring, *old, writer.view());
}

Result<void> can_put_long_term_key(const std::string& keyring) {
  const auto old = read_keyring(keyring);
  if (!old) return tl::unexpected(old.error());
  // A full disk, a mount, an immutable file: nothing tells but the try. It is replaced by itself,
  // and room for a line.
  KeyringWriter writer(*old, room_for_a_line.size());
  writer.append(as_bytes(old->text()));
  const std::size_t before = writer.view().size();
  writer.append_line(as_bytes(room_for_a_line));
  if (auto written = replace_keyring(keyring, *old, writer.view()); !written) return written;
  if (old->exists) return replace_keyring(keyring, *old, writer.view().first(before));
  return ::unlink(keyring.c_str()) == 0 ? Result<void>()
                                        : error(with_errno("cannot change " + keyring, errno));
}

}  // namespace qanat::sources
