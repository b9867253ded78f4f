// What a thread does for as long as it should, also when it meets with an exception.
#pragma once

#include <functional>
#include <string>

#include "base/clock.h"

namespace qanat {

// Runs `work` until it returns. When it ends by an exception instead, `failed` is told why, and it
// begins again after `pause`: of a second, and of up to a minute where one exception follows the
// other. `pause` returns false when there is nothing left to do. Neither lets an exception out.
void run_work(const std::function<void()>& work,
              const std::function<void(const std::string& why)>& failed,
              const std::function<bool(Duration)>& pause);

}  // namespace qanat
