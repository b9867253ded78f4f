#include "outlets/fifo.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace qanat::outlets {

using wire::Grade;

namespace {

// The least a pipe can hold: what lies in it is lost when its reader leaves.
constexpr int pipe_bytes = 4096;
constexpr std::size_t full_slice = 64;
constexpr std::size_t drbg_slice = 4096;

}  // namespace

Fifo::Fifo(std::string name, std::string path, Grade grade, const share::Terms& terms,
           const OutletServices& services)
    : name_(std::move(name)),
      path_(std::move(path)),
      grade_(grade),
      services_(services),
      flow_(services.dispenser.open_flow(name_, terms)) {
  if (grade == Grade::drbg) drbg_ = share::SeededDrbg::make(services.dispenser, 1, {});
}

Fifo::~Fifo() {
  stop();
  if (drbg_) drbg_->stop();
}

void Fifo::start() {
  struct stat info {};
  if (::stat(path_.c_str(), &info) == 0) {
    if (!S_ISFIFO(info.st_mode)) throw Failure(fmt::format("{}: {} is no FIFO", name_, path_));
  } else if (::mkfifo(path_.c_str(), 0600) != 0) {
    throw Failure(with_errno(fmt::format("{}: cannot make {}", name_, path_), errno));
  }
  if (drbg_) drbg_->pool().start();
  thread_ = std::thread([this] { run(); });
}

void Fifo::stop() {
  if (!thread_.joinable()) return;
  stopping_ = true;
  waker_->wake();
  // The thread may be blocked in open(), which ends when there is a reader: be one.
  const UniqueFd reader(::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  thread_.join();
}

void Fifo::run() {
  while (!stopping_) {
    const UniqueFd fd = open_when_read();
    if (stopping_ || !fd) return;
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

std::size_t Fifo::fill(MutableBytes out, share::Withdrawal& withdrawal) {
  if (grade_ == Grade::drbg) {
    return drbg_->pool().generate(0, out, services_.clock.now()) ? out.size() : 0;
  }
  share::Ticket place = services_.dispenser.request(flow_.id(), full_slice, services_.clock.now(),
                                                    [waker = waker_] { waker->wake(); });
  while (!place.ready() && !stopping_) {
    wait_for(-1, 0, *waker_, std::nullopt);
    waker_->clear();
  }
  if (stopping_) return 0;
  withdrawal = place.collect(out.first(full_slice));
  return full_slice;
}

void Fifo::serve_reader(int fd) {
  SecretBytes buffer(grade_ == Grade::full ? full_slice : drbg_slice);
  while (!stopping_) {
    // Nothing is drawn before the reader has room for it.
    if (wait_for(fd, POLLOUT, *waker_, std::nullopt) == Wake::woken) {
      waker_->clear();
      continue;
    }
    share::Withdrawal withdrawal;
    const std::size_t size = fill(buffer.view(), withdrawal);
    if (size == 0) {
      // No seed yet.
      wait_for(-1, 0, *waker_, std::chrono::milliseconds(200));
      continue;
    }
    const bool written = write_all(fd, buffer.view().first(size));
    wipe(buffer.view());
    if (!written) return;
    ++deliveries_;
    if (grade_ == Grade::full) {
      withdrawal.delivered(size);
      full_bytes_ += size;
    } else {
      drbg_bytes_ += size;
    }
  }
}

// False when the reader has left.
bool Fifo::write_all(int fd, Bytes bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n > 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    } else if (errno == EAGAIN) {
      if (wait_for(fd, POLLOUT, *waker_, std::nullopt) == Wake::woken && stopping_) return false;
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
  report.deliveries = deliveries_;
  report.full_bytes = full_bytes_;
  report.drbg_bytes = drbg_bytes_;
  return report;
}

}  // namespace qanat::outlets
