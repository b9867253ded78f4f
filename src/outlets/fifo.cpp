#include "outlets/fifo.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/powers.h"
#include "base/work_loop.h"
#include "crypto/aead.h"
#include "outlets/type.h"
#include "serve/options.h"
#include "spec/options.h"

namespace qanat::outlets {

using namespace std::chrono_literals;

namespace {

// The least a pipe can hold: what lies in it is lost when its reader leaves.
constexpr int pipe_bytes = 4096;
// After a failure.
constexpr Duration first_reopen = 1s;
constexpr Duration longest_reopen = 60s;
// Who deletes a FIFO may be about to make another one himself; how long he has, and how often we
// look.
constexpr Duration patience_with_others = 3s;
constexpr Duration look_again = 100ms;
// How often the path is looked at, should its directory have been moved away: no watch tells that.
constexpr Duration path_look_interval = 60s;

// Whether there is one at the path; an Error where there is something else.
Result<bool> is_fifo(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return false;
  if (!S_ISFIFO(info.st_mode))
    return error(path + " is there and is not a FIFO; take another path");
  return true;
}

}  // namespace

Fifo::Fifo(std::string name, std::string path, spec::Grade grade, const share::Terms& terms,
           const serve::OutletServices& services)
    : name_(std::move(name)),
      path_(std::move(path)),
      services_(services),
      draw_(name_, grade, terms, services),
      backoff_(first_reopen, longest_reopen, crypto::random_seed(), first_reopen / 2) {}

Fifo::~Fifo() { stop(); }

void Fifo::start() {
  if (auto opened = open(); !opened) {
    throw Failure(fmt::format("{}: {}", name_, opened.error().message));
  }
  draw_.start();
  thread_ = std::thread([this] {
    run_work([this] { run(); },
             [this](const std::string& why) {
               close();
               tell(why);
             },
             [this](Duration gap) {
               rest(gap);
               return !draw_.stopped();
             });
  });
}

void Fifo::stop() {
  if (!thread_.joinable()) return;
  draw_.stop();
  thread_.join();
}

// The FIFO at the path, made if need be.
Result<void> Fifo::open() {
  close();
  const auto there = is_fifo(path_);
  if (!there) return tl::unexpected(there.error());
  if (!*there && ::mkfifo(path_.c_str(), 0600) != 0) {
    return error(with_errno("cannot make " + path_, errno));
  }
  struct stat info {};
  // A writing end that does not wait needs a reader: for the moment that is us.
  const UniqueFd reader(open_file(path_, O_RDONLY | O_NONBLOCK));
  if (!reader) return error(with_errno("cannot open " + path_, errno));
  if (::fstat(reader.get(), &info) != 0) return error(with_errno("cannot examine " + path_, errno));
  device_ = info.st_dev;
  inode_ = info.st_ino;
  UniqueFd watch(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!watch) return error(with_errno("cannot watch " + path_, errno));
  // IN_ATTRIB: a name of it was deleted. (IN_DELETE_SELF comes once nobody has it open.)
  if (::inotify_add_watch(watch.get(), path_.c_str(), IN_OPEN | IN_ATTRIB | IN_MOVE_SELF) < 0) {
    return error(with_errno("cannot watch " + path_, errno));
  }
  UniqueFd writer(open_file(path_, O_WRONLY | O_NONBLOCK));
  if (!writer) return error(with_errno("cannot open " + path_, errno));
  if (!S_ISFIFO(info.st_mode) || !is_ours(writer.get()) || !still_there()) {
    return error(path_ + " was replaced while it was opened");
  }
  ::fcntl(writer.get(), F_SETPIPE_SZ, pipe_bytes);
  watch_ = std::move(watch);
  writer_ = std::move(writer);
  return {};
}

void Fifo::close() {
  draw_.forgo();
  readers_ = 0;
  written_ = false;  // without us the pipe is gone, and what was in it
  writer_.reset();
  watch_.reset();
}

bool Fifo::is_ours(int fd) const {
  struct stat info {};
  return ::fstat(fd, &info) == 0 && info.st_dev == device_ && info.st_ino == inode_;
}

bool Fifo::still_there() const {
  struct stat info {};
  return ::stat(path_.c_str(), &info) == 0 && info.st_dev == device_ && info.st_ino == inode_;
}

void Fifo::run() {
  while (!draw_.stopped()) {
    if (!writer_) {
      if (auto opened = open(); !opened) {
        tell(opened.error().message);
        rest(backoff_.next());
        continue;
      }
      backoff_.reset();
      tell("");
    }
    serve();
    close();
    if (draw_.stopped()) return;
    tell(path_ + " was deleted or replaced");
    await_another();
  }
}

// Until the FIFO is no longer at its path, or we are stopped.
void Fifo::serve() {
  TimePoint looked = services_.clock.now();
  while (!draw_.stopped()) {
    const short state = look();
    if (changed_ || services_.clock.now() - looked >= path_look_interval) {
      changed_ = false;
      looked = services_.clock.now();
      if (!still_there()) return;
    }
    if ((state & POLLERR) != 0) {
      reader_left();
      sleep(std::nullopt, path_look_interval);
      continue;
    }
    readers_ = 1;
    if ((state & POLLOUT) == 0) {
      sleep(POLLOUT, path_look_interval);
      continue;
    }
    // Nothing is drawn before the reader has room for it.
    draw_.ask();
    if (!draw_.there()) {
      sleep(0, draw_.patience());
      continue;
    }
    write_piece();
  }
}

// The pipe takes a piece whole or not at all, as it is no larger than PIPE_BUF.
void Fifo::write_piece() {
  serve::ThreadDraw::Piece piece = draw_.take();
  ssize_t n = 0;
  do {
    n = ::write(writer_.get(), piece.bytes().data(), piece.bytes().size());
  } while (n < 0 && errno == EINTR);
  if (n > 0) piece.arrived(static_cast<std::size_t>(n));
  written_ = written_ || n > 0;
}

// The next reader gets bytes of its own: what the last one left may be older than a renewal.
void Fifo::reader_left() {
  readers_ = 0;
  draw_.forgo();
  if (!written_) return;
  const UniqueFd reader(open_file(path_, O_RDONLY | O_NONBLOCK));
  if (!reader) throw Failure(with_errno("cannot empty " + path_, errno));
  if (!is_ours(reader.get())) return;
  // No more than there can have been: another writer may go on.
  SecretBytes rest(pipe_bytes);
  ssize_t n = 1;
  for (ssize_t left = ::fcntl(reader.get(), F_GETPIPE_SZ); left > 0 && n > 0; left -= n) {
    n = ::read(reader.get(), rest.view().data(), rest.size());
  }
  written_ = false;
}

// What the writing end is ready for; what the watch had to tell before is heard by then.
short Fifo::look() {
  std::array<pollfd, 2> polled{{{writer_.get(), POLLOUT, 0}, {watch_.get(), POLLIN, 0}}};
  const int n = ::poll(polled.data(), polled.size(), 0);
  if (n < 0 && errno != EINTR) throw Failure(with_errno("cannot look after " + path_, errno));
  if (n <= 0) return 0;
  if (polled[1].revents == 0) return polled[0].revents;
  changed_ = true;
  alignas(inotify_event) std::array<char, 4096> events;
  while (::read(watch_.get(), events.data(), events.size()) > 0) {
  }
  return ::poll(polled.data(), 1, 0) > 0 ? polled[0].revents : short{0};
}

// Until something happens: to the writing end (one of `events`, or its last reader leaves), unless
// there are none; to the file; or to us.
void Fifo::sleep(std::optional<short> events, Duration limit) {
  std::array<pollfd, 3> polled{{{draw_.waker().fd(), POLLIN, 0},
                                {watch_.get(), POLLIN, 0},
                                {writer_.get(), events.value_or(0), 0}}};
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(limit).count();
  const int n = ::poll(polled.data(), events ? 3 : 2, static_cast<int>(ms));
  // It fails where there are fewer descriptors than it is given (EINVAL): no reason to spin.
  if (n < 0 && errno != EINTR) std::this_thread::sleep_for(std::min(limit, look_again));
  draw_.waker().clear();
}

void Fifo::rest(Duration pause) {
  const TimePoint due = services_.clock.now() + pause;
  while (!draw_.stopped() && services_.clock.now() < due) {
    sleep(std::nullopt, due - services_.clock.now());
  }
}

// A file at the path. Whoever deleted the old one has some seconds for it before we make our own.
void Fifo::await_another() {
  const TimePoint due = services_.clock.now() + patience_with_others;
  struct stat info {};
  while (!draw_.stopped() && services_.clock.now() < due && ::stat(path_.c_str(), &info) != 0) {
    sleep(std::nullopt, look_again);
  }
}

void Fifo::tell(const std::string& problem) {
  bool news = false;
  {
    const MutexLock lock(mutex_);
    news = problem_ != problem;
    problem_ = problem;
  }
  if (!news) return;
  services_.on_event(name_, problem.empty() ? path_ + " is served again" : problem,
                     warning_if(!problem.empty()));
}

observe::OutletReport Fifo::report() const {
  observe::OutletReport report{.name = name_,
                               .detail = readers_ > 0 ? "being read" : "waiting for a reader",
                               .problem = {},
                               .refused = {}};
  report.connections = readers_;
  draw_.report(report);
  const MutexLock lock(mutex_);
  report.problem = problem_;
  if (!problem_.empty()) report.detail = "not open";
  return report;
}

namespace {

void look_at_fifo(const std::string& name, const std::string& path, spec::Obstacles& found) {
  const auto there = is_fifo(path);
  std::string why;
  if (!there) {
    why = there.error().message;
  } else if (*there && ::access(path.c_str(), R_OK | W_OK) != 0) {
    why = with_errno("cannot open " + path, errno);
  } else if (!*there && ::access(directory_of(path).c_str(), W_OK | X_OK) != 0) {
    why = with_errno("cannot make " + path, errno);
  }
  if (!why.empty()) found.push_back({fmt::format("{}: {}", name, why)});
}

OutletPlan read_fifo(const spec::Spec& spec, const OutletDefaults& defaults) {
  const std::string path = spec::require_target(spec);
  const spec::Grade grade = spec::grade_of(spec, spec::Grade::full);
  return {
      .place = path,
      .path = path,
      .note = fmt::format("grade {}, to whoever may open it", to_string(grade)),
      .limits = defaults.limits,
      .awaits_reader = true,
      .make =
          [name = spec.text, path, grade, terms = serve::terms_of(spec)](const Services& services) {
            return std::make_unique<Fifo>(name, path, grade, terms, services.common);
          },
      .look = [name = spec.text,
               path](spec::Obstacles& found) { look_at_fifo(name, path, found); }};
}

}  // namespace

extern const OutletType fifo_type{
    .name = "fifo",
    .options = "grade",
    .summary = "whoever reads a FIFO",
    .read = read_fifo,
};

}  // namespace qanat::outlets
