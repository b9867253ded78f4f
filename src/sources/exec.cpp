#include "sources/exec.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "sources/runner/lookalikes.h"
#include "sources/runner/skipping.h"
#include "sources/type.h"
#include "spec/options.h"

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

std::string Exec::lookalike() {
  if (lookalike_.empty()) lookalike_ = lookalike_of_group(child_.group());
  return lookalike_;
}

void Exec::close() {
  output_.reset();
  child_.terminate();
}

namespace {

// A command that reads the kernel's generator counts only for an operator who claims something of
// it.
SourcePlan read_exec(const spec::Spec& spec, entropy::Claim usual) {
  const std::string why = lookalike_in(spec.target);
  entropy::Claim claim = spec::claim_of(spec, usual);
  if (!why.empty() && spec.option("h")) claim.vouched = claim.credit;
  return {.name = spec.text,
          .claim = claim,
          .note = why.empty() ? ""
                  : claim.vouched
                      ? why +
                            ": credited, as you claim it; what this node feeds to the kernel "
                            "is counted twice"
                      : why + ": credited only as h= or credit=yes claims",
          .command = spec.target,
          .lookalike = why,
          .make = skipping(
              spec, [command = spec.target, why] { return std::make_unique<Exec>(command, why); })};
}

}  // namespace

extern const SourceType exec_type{
    .name = "exec",
    .target = "COMMAND",
    .usual = {4, true},
    .options = "skip",
    .summary = "what a command prints",
    .read = read_exec,
};

}  // namespace qanat::sources
