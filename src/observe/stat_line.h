// The line that rngnet's users read, of sources and outlets of any kind.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "observe/node_report.h"
#include "wire/rngnet.h"

namespace qanat::observe {

// "jitter: STAT ok=834/3336 weak=3/10 weak_rate=3 recv_err=0/0 bad_size=0/0" (wire/rngnet.h); each
// pair is since the lines before, and in all. Of a source: blocks of 2,500 bytes, those of them
// with odd frequencies, times that it failed or a read did, and messages of a wrong size. Of an
// outlet: deliveries, 0, deliveries that failed, and requests that were no such. Not thread-safe.
class StatLines {
 public:
  std::vector<std::string> lines(const NodeReport& report);

 private:
  using Counts = wire::rngnet::Counts;
  std::string line(const std::string& name, const Counts& total);

  std::map<std::string, Counts> before_;
};

}  // namespace qanat::observe
