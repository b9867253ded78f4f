#include "base/work_loop.h"

#include <algorithm>
#include <exception>

namespace qanat {

using namespace std::chrono_literals;

namespace {

constexpr Duration first_pause = 1s;
constexpr Duration longest_pause = 1min;

// What ended it; empty when it returned.
std::string end_of(const std::function<void()>& work) {
  try {
    work();
    return "";
  } catch (const std::exception& problem) {
    const std::string what = problem.what();
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
    const std::string why = end_of(work);
    if (why.empty()) return;
    // When telling fails as well (no memory, say), there is nobody to tell that to.
    (void)end_of([&] { failed(why); });
    if (clock.now() - began > longest_pause) gap = first_pause;
    bool go_on = true;
    (void)end_of([&] { go_on = pause(gap); });
    if (!go_on) return;
    gap = std::min(2 * gap, longest_pause);
  }
}

}  // namespace qanat
