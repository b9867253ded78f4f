// Trickle: seeds by UDP (docs/trickle.md). A socket a thread, datagrams in batches.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "outlets/http/settings.h"
#include "serve/outlet.h"
#include "share/visitors.h"
#include "spec/address.h"

namespace qanat::outlets {

struct TrickleSettings {
  std::string name;  // as configured
  spec::Address address;
  serve::Limits limits;  // of grade drbg, shared with the HTTP API
  share::Terms terms;    // of those clients that are not in this hub's book
};

class TrickleOutlet final : public serve::Outlet {
 public:
  TrickleOutlet(TrickleSettings settings, const serve::OutletServices& services,
                CookieKeeper& cookies);
  ~TrickleOutlet() override;

  void start() override;
  void drain() override;
  bool idle() const override { return !stuck_; }  // nothing is ever under way
  void stop() override;
  void renew() override;
  void reload() override;
  void set_limits(const serve::Limits& limits) override;
  observe::OutletReport report() const override;
  std::uint16_t trickle_port() const override { return settings_.address.port; }

  // Where it listens; the real port when 0 was asked for.
  const spec::Address& address() const { return settings_.address; }

 private:
  class Worker;

  void for_each_worker(const std::function<void(Worker&)>& work);

  TrickleSettings settings_;
  const serve::OutletServices& services_;
  CookieKeeper& cookies_;
  share::Visitors visitors_;
  std::vector<std::unique_ptr<Worker>> workers_;
  bool stuck_ = false;
};

}  // namespace qanat::outlets
