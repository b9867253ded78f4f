// From an outlet's name, with its options, to its settings: its part of the registry. Each throws
// Failure for a value that is none, and for an address beyond loopback that nothing guards.
#pragma once

#include "outlets/broker/broker.h"
#include "outlets/netrng.h"
#include "outlets/registry.h"
#include "outlets/trickle/trickle.h"
#include "spec/spec.h"

namespace qanat::outlets {

spec::Grade grade_of(const spec::Spec& spec, spec::Grade usual);
// Of those who draw there without a name of their own, or of the outlet itself.
share::Terms terms_of(const spec::Spec& spec);
std::string require_target(const spec::Spec& spec);

serve::Schedule schedule_of(const spec::Spec& spec, serve::Schedule schedule);
serve::Schedule rngnet_schedule(const spec::Spec& spec);
std::vector<spec::Address> rngnet_recipients(const spec::Spec& spec);

HttpSettings http_settings(const spec::Spec& spec, const OutletDefaults& defaults);
TrickleSettings trickle_settings(const spec::Spec& spec, const OutletDefaults& defaults);
serve::StreamSettings stream_settings(const spec::Spec& spec, const OutletDefaults& defaults,
                                      std::optional<std::uint16_t> usual_port);
serve::StreamSettings vmport_settings(const spec::Spec& spec, const OutletDefaults& defaults);
serve::StreamSettings vsock_settings(const spec::Spec& spec, const OutletDefaults& defaults);
NetrngSettings netrng_settings(const spec::Spec& spec, const OutletDefaults& defaults);
BrokerSettings broker_settings(const spec::Spec& spec, const OutletDefaults& defaults);
// "//USER:PASSFILE@HOST": somebody else's broker, to which we deliver.
bool is_account(const spec::Spec& spec);
wire::broker::Account broker_account(const spec::Spec& spec);

}  // namespace qanat::outlets
