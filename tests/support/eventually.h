// Waits for what other threads bring about.
#pragma once

#include <chrono>
#include <thread>

namespace qanat::test {

// True as soon as `condition` holds; false when it does not within `limit` (generous: sanitizers
// are slow, and a test that passes never waits for it).
template <typename Condition>
bool eventually(const Condition& condition, std::chrono::seconds limit = std::chrono::seconds(30)) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

}  // namespace qanat::test
