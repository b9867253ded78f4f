// Which known noise devices this machine has, by what the kernel says of them. Opens none.
#pragma once

#include <string>
#include <vector>

namespace qanat::sources {

struct Found {
  std::string title;      // of the model, for people
  std::string where;      // the device's node, or its place on the bus; printable
  std::string id;         // "1d50:6086"
  std::string line = {};  // the source to write; empty: none reads it
  bool ready = false;     // `line` can be tried as it is: no other program, no key
  std::string why = {};   // what an operator should know; may be empty
};

struct Hardware {
  std::vector<Found> known;
  // Serial devices that nothing is known of, by their nodes. To open one may reset what is behind
  // it (DTR), or be taken for a call (a modem).
  std::vector<std::string> unknown;
  // Of the kernel's own drivers of hardware RNGs: those that /dev/hwrng does not read.
  std::vector<std::string> other_hwrngs;
};

// `root`: of the directories sys and dev that are looked at; "" is this machine's. What cannot be
// read is as if it were not there.
Hardware find_hardware(const std::string& root = "");

}  // namespace qanat::sources
