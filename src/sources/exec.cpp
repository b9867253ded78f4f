#include "sources/exec.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace qanat::sources {

using namespace std::chrono_literals;

Result<void> Exec::open(const Waker& /*stop*/) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return error(with_errno("pipe", errno));
  output_ = UniqueFd(ends[0]);
  const UniqueFd input(ends[1]);
  auto started = child_.start(command_, input.get());
  if (!started) output_.reset();
  return started;
}

Result<std::size_t> Exec::read(MutableBytes out, const Waker& waker) {
  for (;;) {
    if (wait_for(output_.get(), POLLIN, waker, std::nullopt) == Wake::woken) return std::size_t{0};
    const ssize_t n = ::read(output_.get(), out.data(), out.size());
    if (n > 0) return static_cast<std::size_t>(n);
    if (n == 0) return error(how_it_ended(waker));
    if (errno != EINTR) return error(with_errno("cannot read from the command", errno));
  }
}

// It closed its output; a shell that is about to end does so within a moment.
std::string Exec::how_it_ended(const Waker& waker) {
  const auto status = child_.wait(waker, 500ms);
  return "the command " + (status ? describe_wait_status(*status) : "closed its output");
}

void Exec::close() {
  output_.reset();
  child_.terminate();
}

}  // namespace qanat::sources
