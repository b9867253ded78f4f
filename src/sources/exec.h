// What a command writes to its standard output, as a noise source.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/shell_command.h"
#include "sources/source.h"

namespace qanat::sources {

// Run by /bin/sh in a process group of its own, with an empty standard input; its standard error is
// ours. Ended with SIGTERM, and SIGKILL half a second later. A command that ends is started again.
class Exec final : public Source {
 public:
  // `lookalike`: why it is known before its start that it gives nobody's new entropy.
  explicit Exec(std::string command, std::string lookalike = {})
      : command_(std::move(command)), lookalike_(std::move(lookalike)) {}
  ~Exec() override { close(); }

  Result<void> open(const Waker&) override;
  Result<std::size_t> read(MutableBytes out, const Waker& waker) override;
  void close() override;
  std::string lookalike() override;
  int descriptor() const override { return output_.get(); }

 private:
  std::string how_it_ended(const Waker& waker);

  const std::string command_;
  std::string lookalike_;  // once it was seen it stays: the next start runs the same
  UniqueFd output_;
  ShellCommand child_;
};

}  // namespace qanat::sources
