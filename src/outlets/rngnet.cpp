#include "outlets/rngnet.h"

#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "net/connect.h"

namespace qanat::outlets {

Rngnet::Rngnet(std::string name, std::vector<spec::Address> recipients,
               const serve::Schedule& schedule, const serve::OutletServices& services)
    : serve::ScheduledOutlet(std::move(name), schedule, services),
      recipients_(std::move(recipients)) {}

void Rngnet::prepare() {
  constexpr int kind = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  for (const spec::Address& recipient : recipients_) {
    auto address = net::resolve_udp(recipient);
    if (!address) throw Failure(fmt::format("{}: {}", name(), address.error().message));
    addresses_.push_back(*address);
  }
  ipv4_ = UniqueFd(::socket(AF_INET, kind, 0));
  ipv6_ = UniqueFd(::socket(AF_INET6, kind, 0));
  set_note(fmt::format("{} recipients", recipients_.size()));
}

Result<void> Rngnet::deliver(Bytes bytes, const Waker& /*stop*/) {
  // In rotation, whatever becomes of each: one whose network is down holds up nobody.
  const std::size_t at = next_;
  next_ = (next_ + 1) % addresses_.size();
  const bool ipv4 = addresses_[at].ss_family == AF_INET;
  const ssize_t sent = ::sendto(ipv4 ? ipv4_.get() : ipv6_.get(), bytes.data(), bytes.size(),
                                MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&addresses_[at]),
                                ipv4 ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
  if (sent == static_cast<ssize_t>(bytes.size())) return {};
  return error(with_errno("cannot send to " + recipients_[at].text(), errno));
}

}  // namespace qanat::outlets
