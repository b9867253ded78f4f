// What `qanat doctor` says of one thing.
#pragma once

#include <string>
#include <vector>

namespace qanat::cli::doctor {

enum class Level {
  ok,
  note,  // good to know; nothing is wrong
  warn,  // it works, and something is not as it should be
  fail,  // something that was asked for does not work
};
const char* to_string(Level level);

struct Finding {
  Level level = Level::ok;
  std::string subject;  // "clock", "port 7749"
  std::string text;     // what was found
  std::string remedy;   // what to do; never empty but at `ok`
};
using Findings = std::vector<Finding>;

}  // namespace qanat::cli::doctor
