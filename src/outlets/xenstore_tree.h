// What one guest's part of xenstore holds of ours: its seed, and its generation.
// docs/protocols/xenstore.md.
#pragma once

#include <string>
#include <string_view>

#include "peers/xenstore.h"
#include "spec/grade.h"

namespace qanat::outlets {

// Used by one thread, the link's.
class XenstoreTree {
 public:
  // `path`: of a seed, below a domain's directory.
  XenstoreTree(peers::XenstoreLink& link, std::string path, spec::Grade grade)
      : link_(link), path_(std::move(path)), full_(grade == spec::Grade::full) {}

  // A reason of ours, beside xenstored's: the guest has no directory any more.
  static constexpr std::string_view gone = "gone";
  // Writes a seed of wire::xenstore::least_seed to most_seed bytes for this guest, in place of its
  // last one, and the generation that it has, or a new one. Why nothing of that was done; empty:
  // xenstored has it, and nobody but this domain and that guest may read it.
  Result<std::string_view> give(unsigned domain, Bytes seed);
  // Of its seed.
  std::string path_of(unsigned domain) const;

 private:
  using Kind = wire::xenstore::Kind;
  Result<std::string_view> write(unsigned domain, Bytes seed);
  Result<std::string> generation_of(unsigned domain, const std::string& path);
  Result<std::string_view> put(const std::string& path, std::string_view value,
                               const std::string& permissions);

  peers::XenstoreLink& link_;
  const std::string path_;
  const bool full_;
};

}  // namespace qanat::outlets
