// What every fuzz target does first.
#pragma once

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/secret.h"

// Aborts: a property that must hold for every input does not.
inline void must(bool property) {
  if (!property) std::abort();
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  static const bool ready = [] {
    std::signal(SIGPIPE, SIG_IGN);
    qanat::initialise_secret_memory();
    return true;
  }();
  (void)ready;
  return {reinterpret_cast<const char*>(data), size};
}
