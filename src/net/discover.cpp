#include "net/discover.h"

#include <arpa/nameser.h>
#include <fmt/core.h>
#include <netdb.h>
#include <resolv.h>

#include <algorithm>
#include <array>

#include "crypto/aead.h"
#include "net/discover_mdns.h"

namespace qanat::net {
namespace {

std::string why_not(int problem) {
  switch (problem) {
    case HOST_NOT_FOUND:
      return "there is no such name";
    case NO_DATA:
      return "the name has no SRV records";
    case TRY_AGAIN:
      return "no name server answers";
    default:
      return "the name server refuses";
  }
}

bool is_of_link(const std::string& service) { return service.ends_with(".local"); }

Result<std::vector<Place>> discover_dns(const std::string& service) {
  struct __res_state state {};
  if (::res_ninit(&state) != 0)
    return error(service + ": cannot read the resolver's configuration");
  state.retrans = 2;  // seconds; a source thread waits for this
  state.retry = 2;
  std::array<unsigned char, 8192> answer{};
  const int size = ::res_nquery(&state, service.c_str(), ns_c_in, ns_t_srv, answer.data(),
                                static_cast<int>(answer.size()));
  const int problem = state.res_h_errno;
  ::res_nclose(&state);
  if (size < 0) return error(fmt::format("cannot find {}: {}", service, why_not(problem)));
  auto records = srv_records(
      Bytes(answer).first(std::min(static_cast<std::size_t>(size), answer.size())), service);
  if (!records) return tl::unexpected(records.error());
  if (records->empty()) return error(fmt::format("{} names no place", service));
  std::mt19937_64 random(crypto::random_seed());
  std::vector<Place> places;
  for (spec::Address& address : order(std::move(*records), random)) {
    places.push_back({std::move(address), service.substr(spec::service_prefix.size())});
  }
  return places;
}

}  // namespace

Result<std::vector<SrvRecord>> srv_records(Bytes answer, const std::string& service) {
  ns_msg message;
  if (::ns_initparse(answer.data(), static_cast<int>(answer.size()), &message) != 0)
    return error(service + ": the answer is not DNS");
  std::vector<SrvRecord> records;
  for (int i = 0; i < ns_msg_count(message, ns_s_an); ++i) {
    ns_rr record;
    constexpr std::size_t fixed = 6;  // priority, weight, port
    if (::ns_parserr(&message, ns_s_an, i, &record) != 0 || ns_rr_type(record) != ns_t_srv ||
        ns_rr_rdlen(record) < fixed + 1) {
      continue;
    }
    const unsigned char* const data = ns_rr_rdata(record);
    std::array<char, NS_MAXDNAME> target{};
    if (::ns_name_uncompress(ns_msg_base(message), ns_msg_end(message), data + fixed, target.data(),
                             target.size()) < 0) {
      continue;
    }
    // A target of "." says that the service is decidedly not there.
    if (target[0] == '\0' || std::string_view(target.data()) == ".") continue;
    records.push_back({static_cast<std::uint16_t>(ns_get16(data)),
                       static_cast<std::uint16_t>(ns_get16(data + 2)),
                       {target.data(), static_cast<std::uint16_t>(ns_get16(data + 4))}});
  }
  return records;
}

std::vector<spec::Address> order(std::vector<SrvRecord> records, std::mt19937_64& random) {
  std::vector<spec::Address> ordered;
  std::stable_sort(records.begin(), records.end(), [](const SrvRecord& a, const SrvRecord& b) {
    // Those of weight 0 come first, so that the draw below gives them a small chance.
    return std::pair(a.priority, a.weight > 0) < std::pair(b.priority, b.weight > 0);
  });
  while (!records.empty()) {
    const auto end = std::find_if(records.begin(), records.end(), [&](const SrvRecord& record) {
      return record.priority != records.front().priority;
    });
    std::uint64_t sum = 0;
    for (auto it = records.begin(); it != end; ++it) sum += it->weight;
    const std::uint64_t drawn = std::uniform_int_distribution<std::uint64_t>(0, sum)(random);
    std::uint64_t running = 0;
    auto chosen = records.begin();
    for (auto it = records.begin(); it != end; ++it) {
      running += it->weight;
      chosen = it;
      if (running >= drawn) break;
    }
    ordered.push_back(std::move(chosen->target));
    records.erase(chosen);
  }
  return ordered;
}

Result<std::vector<Place>> discover(const std::string& service, const Waker& waker) {
  return is_of_link(service) ? discover_mdns("_qanat._tcp", waker) : discover_dns(service);
}

Result<void> can_discover(const std::string& service) {
  return is_of_link(service) ? mdns() : Result<void>();
}

}  // namespace qanat::net
