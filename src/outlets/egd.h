// EGD: what QEMU's rng-egd, old OpenSSL and Perl's clients draw from. docs/protocols/egd.md.
#pragma once

#include "outlets/limits.h"
#include "outlets/stream_outlet.h"
#include "wire/http_api.h"

namespace qanat::outlets {

struct EgdSettings {
  std::string name;  // as configured
  StreamAddress at;
  wire::Grade grade = wire::Grade::full;
  share::Terms terms;
  Limits limits;
};

class Egd final : public StreamOutlet {
 public:
  Egd(EgdSettings settings, const OutletServices& services);
  ~Egd() override;

  void start() override { listen(); }

 private:
  std::unique_ptr<StreamWorker> make_worker(std::size_t slot, UniqueFd listener) override;

  const EgdSettings settings_;
};

}  // namespace qanat::outlets
