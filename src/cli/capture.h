// Raw samples of a source into a file, for whoever wants to measure them: `qanat sources
// --capture`.
#pragma once

#include <cstdint>
#include <string>

namespace qanat::cli {

struct Capture {
  std::string source;         // as configured
  std::uint64_t samples = 0;  // in all
  // How often the source is made and opened anew, as SP 800-90B 3.1.4 asks: a row of
  // samples / restarts each, one after the other in the file. 0: it is opened once.
  std::uint64_t restarts = 0;
  std::string output;  // one byte a sample; what was captured, where and when is in output.json
};

// Throws Failure when the output is there already, or cannot be written, and when the source ends
// early or cannot be opened; what was captured by then is kept, and output.json says so.
void capture(const Capture& wanted);

}  // namespace qanat::cli
