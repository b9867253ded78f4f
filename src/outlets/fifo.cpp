#include "outlets/fifo.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace qanat::outlets {

namespace {

// The least a pipe can hold: what lies in it is lost when its reader leaves.
constexpr int pipe_bytes = 4096;

}  // namespace

Fifo::Fifo(std::string name, std::string path, wire::Grade grade, const share::Terms& terms,
           const OutletServices& services)
    : name_(std::move(name)),
      path_(std::move(path)),
      services_(services),
      draw_(name_, grade, terms, services) {}

Fifo::~Fifo() { stop(); }

void Fifo::start() {
  struct stat info {};
  if (::stat(path_.c_str(), &info) == 0) {
    if (!S_ISFIFO(info.st_mode)) throw Failure(fmt::format("{}: {} is no FIFO", name_, path_));
  } else if (::mkfifo(path_.c_str(), 0600) != 0) {
    throw Failure(with_errno(fmt::format("{}: cannot make {}", name_, path_), errno));
  }
  draw_.start();
  thread_ = std::thread([this] { run(); });
}

void Fifo::stop() {
  if (!thread_.joinable()) return;
  draw_.stop();
  // The thread may be blocked in open(), which ends when there is a reader: be one.
  const UniqueFd reader(::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  thread_.join();
}

void Fifo::run() {
  while (!draw_.stopped()) {
    const UniqueFd fd = open_when_read();
    if (draw_.stopped() || !fd) return;
    readers_ = 1;
    serve_reader(fd.get());
    readers_ = 0;
  }
}

UniqueFd Fifo::open_when_read() {
  UniqueFd fd(::open(path_.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) {
    services_.on_event(name_, with_errno("cannot open " + path_, errno), true);
    return fd;
  }
  ::fcntl(fd.get(), F_SETPIPE_SZ, pipe_bytes);
  ::fcntl(fd.get(), F_SETFL, O_NONBLOCK);
  return fd;
}

void Fifo::serve_reader(int fd) {
  // Nothing is drawn before the reader has room for it.
  while (draw_.await_room(fd)) {
    if (draw_.await_turn(-1) != ThreadDraw::Turn::ready) return;
    const Bytes piece = draw_.take();
    const bool written = write_all(fd, piece);
    draw_.settle(written ? piece.size() : 0);
    if (!written) return;
  }
}

// False when the reader has left.
bool Fifo::write_all(int fd, Bytes bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n > 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    } else if (errno == EAGAIN) {
      if (!draw_.await_room(fd)) return false;
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

OutletReport Fifo::report() const {
  OutletReport report{.name = name_,
                      .detail = readers_ > 0 ? "being read" : "waiting for a reader",
                      .problem = {},
                      .refused = {}};
  report.connections = readers_;
  draw_.report(report);
  return report;
}

}  // namespace qanat::outlets
