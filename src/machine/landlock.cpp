#include "machine/landlock.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/files.h"

namespace qanat::machine {
namespace {

// Of Linux 6.2; Debian 12's header has none.
constexpr std::uint64_t truncate_right = 1ULL << 14;

constexpr std::uint64_t reading = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t writing = LANDLOCK_ACCESS_FS_WRITE_FILE | truncate_right;
constexpr std::uint64_t making = LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
                                 LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_DIR |
                                 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                                 LANDLOCK_ACCESS_FS_REFER;
constexpr std::uint64_t making_sockets =
    LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_REMOVE_FILE;
// Those that nobody is given: what is run, devices that are made, links.
constexpr std::uint64_t never = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                                LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;

// What the C library, OpenSSL and the libraries that are loaded at run time read: names, time,
// certificates, codecs. Of /etc no more than these: it has secrets.
constexpr std::array public_paths{
    "/usr", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/proc", "/sys", "/etc/ld.so.cache",
    "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/ld.so.preload", "/etc/resolv.conf", "/etc/hosts",
    "/etc/host.conf", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/services", "/etc/protocols",
    "/etc/passwd", "/etc/group", "/etc/localtime", "/etc/timezone", "/etc/machine-id",
    "/etc/ssl/openssl.cnf", "/etc/ssl/certs", "/etc/pki/tls/openssl.cnf", "/etc/pki/tls/certs",
    "/etc/pki/ca-trust", "/etc/ca-certificates", "/etc/crypto-policies", "/etc/udev/udev.conf",
    // What names lead through: systemd-resolved's, NetworkManager's.
    "/run/systemd/resolve", "/run/NetworkManager", "/run/resolvconf", "/run/udev/data",
    "/var/lib/resolvconf", "/run/nscd", "/run/dbus", "/var/run/avahi-daemon"};
constexpr std::array usual_devices{"/dev/null", "/dev/zero", "/dev/full", "/dev/random",
                                   "/dev/urandom"};

// linux/landlock.h of Linux 6.12: Debian 12's header ends after the first.
struct Handled {
  std::uint64_t files = 0;
  std::uint64_t network = 0;
  std::uint64_t scoped = 0;
};
constexpr int first_scoped = 6;
constexpr std::uint64_t signals = 2;

int make_ruleset(const Handled* attributes, std::size_t size, unsigned flags) {
  return static_cast<int>(::syscall(SYS_landlock_create_ruleset, attributes, size, flags));
}

// The rights that this version of the interface knows.
std::uint64_t known_rights(int version) {
  std::uint64_t rights = reading | writing | making | never;
  if (version < 2) rights &= ~std::uint64_t{LANDLOCK_ACCESS_FS_REFER};
  if (version < 3) rights &= ~truncate_right;
  return rights;
}

class Ruleset {
 public:
  explicit Ruleset(int version) : known_(known_rights(version)) {
    Handled handled{.files = known_};
    // Abstract sockets stay: by one of them a second node finds the first (node/state_lock.h).
    if (version >= first_scoped) handled.scoped = signals;
    fd_ = UniqueFd(
        make_ruleset(&handled, version >= first_scoped ? sizeof handled : sizeof handled.files, 0));
    if (!fd_) throw Failure(with_errno("cannot make a Landlock ruleset", errno));
  }

  void allow(const std::string& path, std::uint64_t rights) {
    const UniqueFd at(::open(path.c_str(), O_PATH | O_CLOEXEC));
    struct stat info {};
    if (!at || ::fstat(at.get(), &info) != 0) return;
    if (!S_ISDIR(info.st_mode)) rights &= LANDLOCK_ACCESS_FS_READ_FILE | writing;
    const landlock_path_beneath_attr rule{.allowed_access = rights & known_, .parent_fd = at.get()};
    if (::syscall(SYS_landlock_add_rule, fd_.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0) {
      if (errno == EBADFD) return;  // a pipe without a name: it is open
      throw Failure(with_errno("cannot allow " + path + " in the Landlock ruleset", errno));
    }
  }

  void enforce() {
    if (::syscall(SYS_landlock_restrict_self, fd_.get(), 0) != 0) {
      throw Failure(with_errno("cannot enforce the Landlock ruleset", errno));
    }
  }

 private:
  std::uint64_t known_;
  UniqueFd fd_;
};

}  // namespace

int restrict_files(const Confinement& confinement) {
  const int version = make_ruleset(nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version < 1) return 0;
  Ruleset rules(version);
  for (const char* path : public_paths) rules.allow(path, reading);
  for (const char* path : usual_devices) rules.allow(path, reading | writing);
  for (const std::string& path : confinement.readable) rules.allow(path, reading);
  for (const std::string& path : confinement.writable) rules.allow(path, reading | writing);
  for (const std::string& path : confinement.directories) {
    rules.allow(path, reading | writing | making);
  }
  for (const std::string& path : confinement.sockets) rules.allow(path, making_sockets);
  rules.enforce();
  return version;
}

}  // namespace qanat::machine
