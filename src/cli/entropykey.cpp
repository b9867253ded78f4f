#include <fcntl.h>
#include <fmt/core.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>

#include "base/files.h"
#include "base/shown.h"
#include "cli/command.h"
#include "sources/entropykey/find.h"
#include "sources/entropykey/keyring.h"
#include "sources/entropykey/long_term_key.h"

namespace qanat::cli {
namespace {

using sources::PluggedKey;
using wire::entropykey::SerialNumber;

// 44 characters, blanks between them, and the end of the line; nobody's file is larger.
constexpr std::size_t most_master_text = 512;

struct EntropyKeyOptions {
  std::string device;
  std::string serial;
  std::string master_key;
  std::string keyring = sources::usual_keyring;
};

// A terminal without echo, where Ctrl-C is a character as others: it must not end us before the
// echo is back.
class QuietTerminal {
 public:
  explicit QuietTerminal(int fd) : fd_(fd) {
    ::tcgetattr(fd_, &before_);
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON | ISIG);
    ::tcsetattr(fd_, TCSAFLUSH, &quiet);
  }
  QuietTerminal(const QuietTerminal&) = delete;
  QuietTerminal& operator=(const QuietTerminal&) = delete;
  ~QuietTerminal() {
    ::tcsetattr(fd_, TCSAFLUSH, &before_);
    fmt::print(stderr, "\n");
  }

 private:
  int fd_;
  termios before_{};
};

SecretBytes type_master_text() {
  // Before anybody is asked to type.
  const QuietTerminal quiet(STDIN_FILENO);
  fmt::print(stderr, "Master key (on the device's card; it is not shown): ");
  SecretBytes text(most_master_text);
  std::size_t size = 0;
  std::uint8_t c = 0;
  while (size < text.size() && ::read(STDIN_FILENO, &c, 1) == 1 && c != '\r' && c != '\n') {
    constexpr std::uint8_t interrupt = 3;
    constexpr std::uint8_t end = 4;
    constexpr std::uint8_t erase = 0x7f;
    if (c == interrupt) throw Failure("stopped");
    if (c == end) break;
    if (c == erase || c == '\b') {
      size -= std::min<std::size_t>(size, 1);
    } else {
      text.view()[size++] = c;
    }
  }
  return SecretBytes(Bytes(text.view()).first(size));
}

SecretBytes read_master_text(int fd, const std::string& name) {
  SecretBytes text(most_master_text);
  const auto size = read_all(fd, name, text.view());
  if (!size) throw Failure(size.error().message);
  return SecretBytes(Bytes(text.view()).first(*size));
}

SecretBytes master_text(const EntropyKeyOptions& options) {
  if (!options.master_key.empty() && options.master_key != "-") {
    const UniqueFd fd(::open(options.master_key.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (!fd) throw Failure(with_errno("cannot open " + options.master_key, errno));
    return read_master_text(fd.get(), options.master_key);
  }
  if (options.master_key.empty() && ::isatty(STDIN_FILENO) == 1) return type_master_text();
  return read_master_text(STDIN_FILENO, "standard input");
}

// Arguments can be read by everybody on this machine, and a shell keeps them: not even a key that
// was typed there is taken, lest it become a habit.
void refuse_key_as_argument(const std::string& value) {
  std::string why;
  if (wire::entropykey::parse_master_key(as_bytes(value), why).empty()) return;
  throw UsageError(
      "--master-key takes the name of a file, not the key itself, which everybody on this machine "
      "could read there; leave it out, and type the key when it is asked for");
}

SecretBytes master_key(const EntropyKeyOptions& options) {
  std::string why;
  SecretBytes key = wire::entropykey::parse_master_key(master_text(options).view(), why);
  if (!key.empty()) return key;
  const std::string where = options.master_key.empty()  ? "what was typed"
                            : options.master_key == "-" ? "standard input"
                                                        : options.master_key;
  throw Failure(fmt::format("{}: {}", where, why));
}

std::optional<SerialNumber> wanted_serial(const EntropyKeyOptions& options) {
  if (options.serial.empty()) return std::nullopt;
  const auto serial = wire::entropykey::parse_serial(options.serial);
  if (serial) return serial;
  throw UsageError(
      fmt::format("--serial {}: is not a serial number; it has 16 letters, digits, '+' and '/', "
                  "such as NwBvBlg3OTBJORFD",
                  shown(options.serial)));
}

std::string list(const std::vector<PluggedKey>& keys) {
  std::string all;
  for (const PluggedKey& key : keys) {
    all += fmt::format("{}{} ({})", all.empty() ? "" : ", ", key.path, shown(key.serial));
  }
  return all;
}

// The one that is plugged in, or the one of that serial number.
std::string find_device(const EntropyKeyOptions& options) {
  if (!options.device.empty()) return options.device;
  auto keys = sources::find_entropykeys();
  if (keys.empty()) {
    throw Failure("no EntropyKey is plugged in; name its line, such as /dev/ttyACM0");
  }
  if (!options.serial.empty()) {
    const auto all = keys;
    std::erase_if(keys, [&](const PluggedKey& key) { return key.serial != options.serial; });
    if (keys.empty()) {
      throw Failure(
          fmt::format("no EntropyKey {} is plugged in; there is {}", options.serial, list(all)));
    }
  }
  if (keys.size() == 1) return keys.front().path;
  throw Failure(fmt::format("which one? {}; name a line, or --serial", list(keys)));
}

// A key that the device has and the keyring has not is of no use: not between the two.
class HeldSignals {
 public:
  HeldSignals() {
    sigset_t held;
    sigemptyset(&held);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&held, signal);
    pthread_sigmask(SIG_BLOCK, &held, &before_);
  }
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;
  ~HeldSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

int set_key(const EntropyKeyOptions& options) {
  const auto serial = wanted_serial(options);
  refuse_key_as_argument(options.master_key);
  const std::string device = find_device(options);
  if (auto possible = sources::can_put_long_term_key(options.keyring); !possible) {
    throw Failure(possible.error().message);
  }
  const SecretBytes master = master_key(options);
  const Waker never;
  const HeldSignals held;
  const auto made = sources::set_long_term_key(device, master.view(), serial, never);
  if (!made) throw Failure(made.error().message);
  const std::string name = wire::entropykey::to_text(made->serial);
  if (auto put = sources::put_long_term_key(options.keyring, made->serial, made->key.view());
      !put) {
    throw Failure(fmt::format(
        "the EntropyKey {} has a new long-term key, but {}; mend that, and set another key", name,
        put.error().message));
  }
  fmt::print("{}: its new long-term key is in {}\n", name, options.keyring);
  return 0;
}

void add_options(CLI::App& command, const std::shared_ptr<EntropyKeyOptions>& options) {
  command.add_option("device", options->device, "Its line, such as /dev/ttyACM0");
  command.add_option("--keyring", options->keyring,
                     "Where the new key goes (default: " + options->keyring + ")");
  command.add_option("--serial", options->serial, "The serial number that it must have");
  command.add_option("--master-key", options->master_key,
                     "A file with the master key, or - for standard input, instead of asking");
  command.footer(
      "The master key is on the card that came with the device, and cannot be had again. No\n"
      "program may use the device meanwhile: stop the node, or ekeyd, that does.");
}

}  // namespace

Run add_entropykey(CLI::App& command) {
  auto options = std::make_shared<EntropyKeyOptions>();
  command.require_subcommand(1);
  CLI::App* const set = command.add_subcommand(
      "set-key", "Give the device on this line, or of this serial number, a new long-term key");
  CLI::App* const renew =
      command.add_subcommand("rekey", "The same, for the only EntropyKey that is plugged in");
  add_options(*set, options);
  add_options(*renew, options);
  return [options, set] {
    if (set->parsed() && options->device.empty() && options->serial.empty()) {
      throw UsageError("name the device's line, such as /dev/ttyACM0, or give --serial");
    }
    return set_key(*options);
  };
}

}  // namespace qanat::cli
