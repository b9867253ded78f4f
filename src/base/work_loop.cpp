#include "base/work_loop.h"

#include <algorithm>
#include <exception>

#include "base/error.h"

namespace qanat {

using namespace std::chrono_literals;

namespace {

constexpr Duration first_pause = 1s;
constexpr Duration longest_pause = 1min;

// What ended it; null when it returned. It allocates nothing: memory may be what is short.
template <typename Work>
std::exception_ptr end_of(const Work& work) noexcept {
  try {
    work();
    return nullptr;
  } catch (...) {
    return std::current_exception();
  }
}

std::string words_of(const std::exception_ptr& problem) {
  try {
    std::rethrow_exception(problem);
  } catch (const std::exception& known) {
    const std::string what = plain_what(known);
    return what.empty() ? "an exception without words" : what;
  } catch (...) {
    return "an exception of an unknown kind";
  }
}

}  // namespace

void run_work(const std::function<void()>& work,
              const std::function<void(const std::string& why)>& failed,
              const std::function<bool(Duration)>& pause) {
  const Clock clock;
  Duration gap = first_pause;
  for (;;) {
    const TimePoint began = clock.now();
    const std::exception_ptr problem = end_of(work);
    if (!problem) return;
    // When telling fails as well (no memory, say), there is nobody to tell that to.
    (void)end_of([&] { failed(words_of(problem)); });
    if (clock.now() - began > longest_pause) gap = first_pause;
    bool go_on = true;
    (void)end_of([&] { go_on = pause(gap); });
    if (!go_on) return;
    gap = std::min(2 * gap, longest_pause);
  }
}

}  // namespace qanat
