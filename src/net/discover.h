// Where a hub is, when an upstream names a service and not a host: DNS SRV and mDNS.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/waker.h"
#include "spec/address.h"

namespace qanat::net {

// A place to try, and the name that a certificate there must have when a CA and no pin vouches.
struct Place {
  spec::Address address;
  std::string certificate_name;
};

// The places of a service (spec::is_service_name), in the order in which to try them.
//
// "_qanat._tcp.example.org" is looked up by DNS SRV records (RFC 2782). The certificate must be for
// the domain that was asked for, not for the target that an unauthenticated answer named (RFC 6125,
// 6.2.1). "_qanat._tcp.local" is looked up by mDNS and DNS-SD (RFC 6763) through the machine's
// Avahi daemon. Whoever is on the link can answer: the certificate must be for the host that did.
//
// Finding is no trusting: pin, CA and pre-shared key decide, as ever. Blocks for some seconds at
// most. An Error when no server is found, or nobody can be asked; interrupted when woken.
Result<std::vector<Place>> discover(const std::string& service, const Waker& waker);
// An Error where this program lacks what it takes to ask about that service.
Result<void> can_discover(const std::string& service);

struct SrvRecord {
  std::uint16_t priority = 0;
  std::uint16_t weight = 0;
  spec::Address target;
};
// What a name server answered of `service`, which is for messages; records that are none are left
// out. An Error when it is no DNS. Total.
Result<std::vector<SrvRecord>> srv_records(Bytes answer, const std::string& service);
// RFC 2782: the lowest priority first; within one, at random by weight.
std::vector<spec::Address> order(std::vector<SrvRecord> records, std::mt19937_64& random);

}  // namespace qanat::net
