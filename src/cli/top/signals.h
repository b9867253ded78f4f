// The signals of a program that has the terminal to itself, as a descriptor that can be waited for
// beside its keys. No handler runs, so nothing is interrupted half drawn.
#pragma once

#include <optional>

#include "base/files.h"

namespace qanat::cli::top {

enum class Signal { stop, resized, suspend, resumed };

class Signals {
 public:
  // Blocks them: before any thread, which would get them otherwise.
  Signals();

  int fd() const { return fd_.get(); }
  // The next signal that has come; nullopt if none has.
  std::optional<Signal> next() const;

 private:
  UniqueFd fd_;
};

}  // namespace qanat::cli::top
