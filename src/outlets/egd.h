// EGD: what QEMU's rng-egd, old OpenSSL and Perl's clients draw from. docs/protocols/egd.md.
#pragma once

#include "outlets/stream_outlet.h"

namespace qanat::outlets {

class Egd final : public StreamOutlet {
 public:
  Egd(StreamSettings settings, const OutletServices& services);
  ~Egd() override;

  void start() override { listen(); }

 private:
  std::unique_ptr<StreamWorker> make_worker(std::size_t slot, UniqueFd listener) override;

  const StreamSettings settings_;
};

}  // namespace qanat::outlets
