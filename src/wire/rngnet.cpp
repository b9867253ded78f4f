#include "wire/rngnet.h"

#include <fmt/core.h>

namespace qanat::wire::rngnet {

Result<std::vector<spec::Address>> parse_recipients(std::string_view text) {
  if (text.starts_with("//")) text.remove_prefix(2);
  std::vector<spec::Address> recipients;
  for (;;) {
    const std::size_t comma = text.find(',');
    auto address = spec::parse_address(text.substr(0, comma), usual_port);
    if (!address) return tl::unexpected(address.error());
    recipients.push_back(std::move(*address));
    if (comma == std::string_view::npos) return recipients;
    if (recipients.size() == most_recipients) {
      return error(fmt::format("more than {} recipients", most_recipients));
    }
    text.remove_prefix(comma + 1);
  }
}

std::string stat_line(const Counts& recent, const Counts& total) {
  const std::uint64_t rate = recent.ok == 0 ? 0 : 1000 * recent.weak / recent.ok;
  return fmt::format("STAT ok={}/{} weak={}/{} weak_rate={} recv_err={}/{} bad_size={}/{}",
                     recent.ok, total.ok, recent.weak, total.weak, rate, recent.recv_err,
                     total.recv_err, recent.bad_size, total.bad_size);
}

}  // namespace qanat::wire::rngnet
