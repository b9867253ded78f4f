// What an outlet asks before it serves a peer, and says when it does not.
#pragma once

#include <optional>

#include "net/peer.h"
#include "serve/limits.h"
#include "serve/outlet.h"

namespace qanat::serve {

// What an HTTP outlet makes for whoever asks, at a rate of its own each.
enum class Made { document, session };

// Grade drbg, by block of addresses and by client (null: one without a name). Zero when `cost` was
// taken from both; else how long to wait. A peer on this machine is free of it unless the operator
// named a rate.
Duration take_drbg(const OutletServices& services, const Limits& limits, const net::Peer& peer,
                   share::Client* client, std::uint64_t cost, TimePoint now);
// The same for what is under way: taken in any case; how long to pause.
Duration charge_drbg(const OutletServices& services, const Limits& limits, const net::Peer& peer,
                     share::Client* client, std::uint64_t cost, TimePoint now);

// The same for one document or session. A client's rate is its own wherever it is; peers on this
// machine without a name have one for documents.
Duration take_made(const OutletServices& services, const Limits& limits, const net::Peer& peer,
                   share::Client* client, Made what, TimePoint now);

// When a refused request for full-entropy bytes may be worth another try: what is estimated, or
// some seconds where nothing is known or no source is left.
Duration worth_a_try(const std::optional<share::Dispenser::Estimate>& estimate);
// Whole seconds for the refusal, at most an hour.
unsigned retry_seconds(Duration wait);

}  // namespace qanat::serve
