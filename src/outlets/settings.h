// From an outlet's name, with its options, to its settings: its part of the registry. Each throws
// Failure for a value that is none, and for an address beyond loopback that nothing guards.
#pragma once

#include "outlets/broker.h"
#include "outlets/netrng.h"
#include "outlets/registry.h"
#include "outlets/trickle_outlet.h"

namespace qanat::outlets {

wire::Grade grade_of(const wire::Spec& spec, wire::Grade usual);
// Of those who draw there without a name of their own, or of the outlet itself.
share::Terms terms_of(const wire::Spec& spec);
std::string require_target(const wire::Spec& spec);

Schedule schedule_of(const wire::Spec& spec, Schedule schedule);
Schedule rngnet_schedule(const wire::Spec& spec);
std::vector<wire::Address> rngnet_recipients(const wire::Spec& spec);

HttpSettings http_settings(const wire::Spec& spec, const OutletDefaults& defaults);
TrickleSettings trickle_settings(const wire::Spec& spec, const OutletDefaults& defaults);
StreamSettings stream_settings(const wire::Spec& spec, const OutletDefaults& defaults,
                               std::optional<std::uint16_t> usual_port);
StreamSettings vmport_settings(const wire::Spec& spec, const OutletDefaults& defaults);
StreamSettings vsock_settings(const wire::Spec& spec, const OutletDefaults& defaults);
NetrngSettings netrng_settings(const wire::Spec& spec, const OutletDefaults& defaults);
BrokerSettings broker_settings(const wire::Spec& spec, const OutletDefaults& defaults);
// "//USER:PASSFILE@HOST": somebody else's broker, to which we deliver.
bool is_account(const wire::Spec& spec);
wire::broker::Account broker_account(const wire::Spec& spec);

}  // namespace qanat::outlets
