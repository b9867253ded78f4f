// EntropyKeys that are plugged in.
#pragma once

#include <string>
#include <vector>

namespace qanat::sources {

struct PluggedKey {
  std::string path;    // of its line, such as /dev/ttyACM0
  std::string serial;  // as its USB descriptor has it
};

// By the USB numbers of Simtec's device (20df:0001), sorted by path. `ttys` is the kernel's list of
// terminal lines.
std::vector<PluggedKey> find_entropykeys(const std::string& ttys = "/sys/class/tty");

}  // namespace qanat::sources
