// What must not be left out for want of memory.
#pragma once

#include <chrono>
#include <exception>
#include <thread>

namespace qanat::node {

// Does it, and tries again for a second. The last exception is let out.
template <typename Work>
auto insist(const Work& work) {
  constexpr std::chrono::milliseconds pause(10);
  for (int left = 100;; --left) {
    try {
      return work();
    } catch (const std::exception&) {
      if (left == 0) throw;
    }
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace qanat::node
