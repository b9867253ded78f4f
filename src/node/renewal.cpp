#include "node/renewal.h"

#include <fmt/core.h>

#include "base/timing_noise.h"
#include "crypto/aead.h"
#include "crypto/openssl.h"
#include "node/insist.h"

namespace qanat::node {

SecretBytes gather_start_material() {
  SecretBytes material(64 + TimingNoise::local_bytes);
  crypto::random_bytes(material.view().first(64));
  TimingNoise().fill_with_times(material.view().subspan(64));
  return material;
}

// What fails is tried again, and what fails for long is said: none of the rest is left out for it.
template <typename Work>
void Renewal::do_all(const Work& work) {
  try {
    insist(work);
  } catch (const std::exception& problem) {
    all_.events.add("node", fmt::format("not everything is seeded anew: {}", plain_what(problem)),
                    EventKind::warning);
  }
}

bool Renewal::run(const std::string& why, const sources::FreshSeed& seed) {
  const bool taken = stir_kernels(seed);
  const std::uint64_t generation = all_.generation.advance();
  renew_node(seed, taken);
  renew_lists();
  do_all([&] { all_.events.add("node", why + ": everything is seeded anew", EventKind::note); });
  do_all([&] { all_.commands.run(why, generation); });
  return taken;
}

// Each byte once: the first kernel has it.
bool Renewal::stir_kernels(const sources::FreshSeed& seed) {
  bool taken = false;
  const auto running = all_.running.lists();
  for (const NamedOutlet& named : running->outlets) {
    do_all([&] {
      taken = named.outlet->stir(taken ? Bytes() : seed.bytes, taken ? 0 : seed.credited) || taken;
    });
  }
  return taken;
}

void Renewal::renew_node(const sources::FreshSeed& seed, bool taken) {
  do_all([&] {
    if (taken) all_.dispenser.passed_through(seed.account, seed.credited, all_.clock.now());
  });
  all_.dispenser.renew();
  do_all([] { crypto::reseed_openssl(); });
  do_all([this] { all_.key.mix("renewal", gather_start_material().view()); });
  do_all([this] { all_.drbg.renew(crypto::random_bytes); });
}

void Renewal::renew_lists() {
  const auto running = all_.running.lists();
  for (const NamedOutlet& named : running->outlets) {
    do_all([&named] { named.outlet->renew(); });
  }
  for (const NamedSource& named : running->sources) {
    do_all([&named] { named.source->renew(); });
  }
  for (const NamedOutlet& named : running->outlets) {
    do_all([&named] { named.outlet->feed_now(); });
  }
}

}  // namespace qanat::node
