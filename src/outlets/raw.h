// Bytes for whoever connects, with nc or socat: no protocol at all. docs/protocols/raw.md.
#pragma once

#include "outlets/stream_outlet.h"

namespace qanat::outlets {

class Raw final : public StreamOutlet {
 public:
  Raw(StreamSettings settings, const OutletServices& services);
  ~Raw() override;

  void start() override { listen(); }

 private:
  std::unique_ptr<StreamWorker> make_worker(std::size_t slot, UniqueFd listener) override;

  const StreamSettings settings_;
};

}  // namespace qanat::outlets
