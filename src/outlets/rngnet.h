// Sends datagrams of full-entropy bytes to rngnet receivers in turn. docs/protocols/rngnet.md.
#pragma once

#include <sys/socket.h>

#include <vector>

#include "base/files.h"
#include "serve/scheduled.h"
#include "wire/rngnet.h"

namespace qanat::outlets {

// Nobody answers: what was sent counts as delivered.
class Rngnet final : public serve::ScheduledOutlet {
 public:
  Rngnet(std::string name, std::vector<spec::Address> recipients, const serve::Schedule& schedule,
         const serve::OutletServices& services);
  ~Rngnet() override { stop(); }

 private:
  // Resolves the recipients: throws Failure for one that has no address.
  void prepare() override;
  Result<void> deliver(Bytes bytes, const Waker& stop) override;

  const std::vector<spec::Address> recipients_;
  std::vector<sockaddr_storage> addresses_;
  UniqueFd ipv4_;
  UniqueFd ipv6_;
  std::size_t next_ = 0;
};

}  // namespace qanat::outlets
