// Reading a source for a moment, apart from any node: `qanat sources`.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"

namespace qanat::cli {

struct Probe {
  std::string name;
  std::string state = "start-up";  // as in the status document
  double rate = 0;                 // samples a second
  double claimed = 0;              // bits a sample
  double measured = 0;             // the least of four estimates, bits a sample
  std::size_t samples = 0;
  bool credit = true;
  bool insist = false;
  std::string note;  // what an operator should know; may be empty
};
// Reads for `time`, or until there are enough samples for an estimate worth its name; and for up to
// `most` where there are fewer than the start-up test takes.
Probe probe(const std::string& name, Duration time, Duration most);

void print_table(const std::vector<Probe>& probes);
void print_json(const std::vector<Probe>& probes);
// Throws Failure for what an operator should change. `named`: he says that they are there.
void refuse_bad(const std::vector<Probe>& probes, bool named);

}  // namespace qanat::cli
