#include "outlets/raw.h"

#include <algorithm>
#include <boost/asio/awaitable.hpp>

#include "outlets/plans.h"
#include "serve/nameless.h"
#include "serve/rates.h"
#include "serve/stream_connection.h"

namespace qanat::outlets {

namespace asio = boost::asio;
using spec::Grade;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t drbg_block = 16384;

class RawWorker;

class RawConnection final : public serve::StreamConnection {
 public:
  RawConnection(RawWorker& worker, serve::Arrival arrival);

  Task<void> run();

 private:
  Task<void> run_full();
  Task<void> run_drbg();

  RawWorker& raw_;
};

class RawWorker final : public serve::StreamWorker {
 public:
  RawWorker(const serve::StreamSettings& settings, const serve::OutletServices& services,
            share::Visitors& visitors, asio::io_context& context, std::size_t slot,
            UniqueFd listener)
      : serve::StreamWorker(settings.limits, services, visitors, context, slot,
                            std::move(listener)),
        grade_(settings.grade),
        pool_(drbg_block) {}

 private:
  friend class RawConnection;

  asio::awaitable<void> serve(serve::Arrival arrival) override {
    RawConnection connection(*this, std::move(arrival));
    co_await connection.run();
  }

  const Grade grade_;
  SecretPool pool_;
};

RawConnection::RawConnection(RawWorker& worker, serve::Arrival arrival)
    : serve::StreamConnection(worker, std::move(arrival), PeerEnd::may_be_half), raw_(worker) {}

asio::awaitable<void> RawConnection::run() {
  ++raw_.counters_.deliveries;
  if (raw_.grade_ == Grade::full) co_return co_await run_full();
  co_await run_drbg();
}

// In pieces, as many readers take turns; nothing is drawn before the peer has taken the last.
asio::awaitable<void> RawConnection::run_full() {
  while (!ending()) {
    const std::size_t slice = raw_.services_.dispenser.slice();
    auto drawn = co_await draw(slice, 1h);
    if (!drawn) continue;
    const Bytes bytes = drawn->bytes.view();
    const bool written = co_await deliver(bytes, drawn->delivery);
    if (!written) co_return;
  }
}

asio::awaitable<void> RawConnection::run_drbg() {
  const auto lease = raw_.pool_.lease();
  while (!ending()) {
    // Before each block, and not after many: or each of a thousand connections would have them.
    const TimePoint now = raw_.services_.clock.now();
    const Duration wait =
        serve::take_drbg(raw_.services_, raw_.limits_, peer(), client_.get(), drbg_block, now);
    if (wait > Duration::zero()) {
      // Soon again: the peer may go, and the operator may change the rate.
      co_await pause(now + std::min<Duration>(wait, 1s));
      continue;
    }
    bool seeded = raw_.services_.drbg.generate(raw_.slot_, lease.view(), now);
    while (!seeded && !ending()) {
      co_await pause(raw_.services_.clock.now() + 100ms);
      seeded = raw_.services_.drbg.generate(raw_.slot_, lease.view(), raw_.services_.clock.now());
    }
    if (!seeded) co_return;
    const bool written = co_await write(lease.view());
    wipe(lease.view());
    if (!written) co_return;
    count_drbg(drbg_block);
  }
}

}  // namespace

std::unique_ptr<serve::Outlet> make_raw(serve::StreamSettings settings,
                                        const serve::OutletServices& services) {
  return std::make_unique<serve::NamelessOutlet<RawWorker>>(std::move(settings), services);
}

namespace {

OutletPlan read_raw(const spec::Spec& spec, const OutletDefaults& defaults) {
  return plan_stream(serve::read_stream(spec, defaults.limits, {}), make_raw);
}

}  // namespace

extern const OutletType raw_type{
    .name = "raw",
    .options = "grade mode group connections access",
    .summary = "bytes for whoever connects, on a UNIX socket or //HOST:PORT",
    .read = read_raw,
};

}  // namespace qanat::outlets
