// The outlet of a stream protocol that cannot tell who draws: its worker says all there is to say.
#pragma once

#include "net/io_threads.h"
#include "serve/stream_outlet.h"
#include "serve/stream_worker.h"

namespace qanat::serve {

// `Worker`: a StreamWorker, made of (settings, services, visitors, context, slot, listener).
template <typename Worker>
class NamelessOutlet final : public StreamOutlet {
 public:
  NamelessOutlet(StreamSettings settings, const OutletServices& services)
      : StreamOutlet(settings.name, settings.at, settings.terms, services),
        settings_(std::move(settings)) {}
  ~NamelessOutlet() override { stop(); }

  void start() override { listen(); }

 private:
  std::unique_ptr<StreamWorker> make_worker(std::size_t slot, UniqueFd listener) override {
    return std::make_unique<Worker>(settings_, services(), visitors(),
                                    services().threads.context(slot), slot, std::move(listener));
  }

  const StreamSettings settings_;
};

}  // namespace qanat::serve
