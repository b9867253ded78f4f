#include "outlets/rngnet.h"

#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/quantity.h"
#include "net/connect.h"
#include "outlets/type.h"
#include "serve/options.h"
#include "spec/options.h"

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

namespace {

// A datagram a second, unless told otherwise: nobody says when it is enough.
serve::Schedule read_schedule(const spec::Spec& spec) {
  using namespace wire::rngnet;
  serve::Schedule schedule{std::chrono::seconds(1), usual_bytes, serve::terms_of(spec),
                           spec::grade_of(spec, spec::Grade::full)};
  schedule.every = spec::duration_of(spec, "every", schedule.every, Duration::zero());
  schedule.bytes = spec::size_of(spec, "bytes", schedule.bytes, least_bytes, most_bytes);
  return schedule;
}

OutletPlan read_rngnet(const spec::Spec& spec, const OutletDefaults& defaults) {
  const serve::Schedule schedule = read_schedule(spec);
  auto recipients = wire::rngnet::parse_recipients(spec.target);
  if (!recipients) throw Failure(fmt::format("{}: {}", spec.text, recipients.error().message));
  return {.place = spec.text,
          .note = fmt::format("{} bytes every {} to {} recipients in turn, in the clear: whoever "
                              "listens on the way has them too",
                              schedule.bytes, format_duration(schedule.every), recipients->size()),
          .limits = defaults.limits,
          .make =
              [name = spec.text, to = *recipients, schedule](const Services& services) {
                return std::make_unique<Rngnet>(name, to, schedule, services.common);
              },
          .look =
              [to = *recipients](spec::Obstacles& found) {
                for (const spec::Address& recipient : to) {
                  result_into(found, "", net::resolve_udp(recipient));
                }
              }};
}

}  // namespace

extern const OutletType rngnet_type{
    .name = "rngnet",
    .options = "bytes every grade",
    .summary = "datagrams to rngnet receivers: HOST:PORT,HOST:PORT (docs/protocols/rngnet.md)",
    .read = read_rngnet,
};

}  // namespace qanat::outlets
