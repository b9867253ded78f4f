#include "sources/boot_seed.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/waker.h"
#include "crypto/blake2b.h"

namespace qanat::sources {

using namespace std::chrono_literals;

namespace {

// A module may be loaded late, a file system mounted late.
constexpr Duration look_interval = 200ms;
// A machine is given one; the oldest are forgotten first.
constexpr std::size_t most_remembered = 256;

// One line of the list of used seeds.
std::string line_of(Bytes seed) {
  std::array<std::uint8_t, 16> digest{};
  crypto::blake2b({}, {as_bytes("qanat used seed"), seed}, digest);
  return to_hex(digest) + "\n";
}

}  // namespace

BootSeed::BootSeed(std::string name, std::string path, bool credit, bool insist,
                   const SourceServices& services)
    : name_(std::move(name)),
      path_(std::move(path)),
      credit_(credit),
      insist_(insist),
      services_(services),
      account_(services.dispenser.open_source(name_)) {}

BootSeed::~BootSeed() { request_stop(); }

void BootSeed::start() {
  thread_.start([this] { run(); });
}

void BootSeed::request_stop() {
  thread_.request_stop();
  waker_.wake();
}

void BootSeed::run() {
  while (!thread_.stopping()) {
    if (::access(path_.c_str(), F_OK) != 0) {
      set_state("gone", path_ + " is not there", false);
    } else if (const auto seed = read_secret_file(path_, most_bytes); !seed) {
      return set_state("failed", seed.error().message, true);
    } else if (seed->size() < least_bytes) {
      return set_state("failed",
                       fmt::format("{} holds {} bytes; 32 to 512 are a seed", path_, seed->size()),
                       true);
    } else {
      return take(seed->view());
    }
    wait_for(-1, 0, waker_, look_interval);
  }
}

// True when it is new and will be known from now on.
Result<bool> BootSeed::remember(Bytes seed) const {
  if (services_.used_seeds.empty()) return error("there is no state directory");
  std::string list;
  if (const auto known = read_file(services_.used_seeds)) list = *known;
  const std::string line = line_of(seed);
  if (list.find(line) != std::string::npos) return false;
  list += line;
  if (list.size() > most_remembered * line.size()) list.erase(0, line.size());
  if (auto kept = replace_file(services_.used_seeds, as_bytes(list), 0600); !kept) {
    return tl::unexpected(kept.error());
  }
  return true;
}

void BootSeed::take(Bytes seed) {
  const auto fresh = remember(seed);
  std::string why;
  if (!fresh && !insist_) {
    why = fmt::format(
        "{}: that {} was used cannot be remembered, and the next boot would find it "
        "again: mixed in, credited 0; credit=yes if it will not",
        fresh.error().message, path_);
  } else if (fresh && !*fresh) {
    why = path_ + " was used before: mixed in, credited 0";
  }
  const bool counts = credit_ && why.empty();
  {
    const std::scoped_lock lock(report_mutex_);
    bytes_ = seed.size();
  }
  const bool taken = services_.on_fresh_seed(name_ + " is what this machine was created with",
                                             {account_, seed, counts ? seed.size() : 0});
  if (!taken && counts) {
    services_.dispenser.credit(account_, seed, services_.clock.now());
  } else if (!taken) {
    services_.key.mix("uncredited", seed);
  }
  // A file of the machine's own is not left for the next boot, or for whoever copies the disk.
  struct stat info {};
  const bool used_up = ::lstat(path_.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
                       info.st_nlink == 1 && ::unlink(path_.c_str()) == 0;
  set_state(why.empty() ? "healthy" : "suspect",
            !why.empty() ? why
            : used_up    ? "used, and removed"
                         : "used",
            !why.empty());
}

void BootSeed::set_state(const char* state, const std::string& detail, bool hopeless) {
  {
    const std::scoped_lock lock(report_mutex_);
    if (state_ == state && detail_ == detail) return;
    state_ = state;
    detail_ = detail;
    hopeless_ = hopeless;
  }
  services_.dispenser.lost(account_, services_.clock.now());
  services_.on_event(name_, fmt::format("{}: {}", state, detail), hopeless);
}

SourceReport BootSeed::report() const {
  const std::scoped_lock lock(report_mutex_);
  return {.name = name_,
          .state = state_,
          .detail = detail_,
          .hopeless = hopeless_,
          .h = 8,
          .credit = credit_,
          .bytes = bytes_,
          .blocks = {},
          .account = account_};
}

}  // namespace qanat::sources
