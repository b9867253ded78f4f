#include "outlets/vmport.h"

#include <algorithm>
#include <boost/asio/awaitable.hpp>

#include "base/log.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "outlets/plans.h"
#include "serve/nameless.h"
#include "serve/rates.h"
#include "serve/stream_connection.h"
#include "wire/vmport.h"

namespace qanat::outlets {

namespace asio = boost::asio;
namespace vmport = wire::vmport;
using spec::Grade;
using vmport::Kind;
using namespace std::chrono_literals;

namespace {

// A copy that waits is a copy that says what others say: where full-entropy bytes are not here at
// once, its first seed is of grade drbg.
constexpr Duration fresh_patience = Duration::zero();
// A guest asks again after 30 s. For all questions that it has sent ahead together, as they are
// answered one after the other.
constexpr Duration answer_patience = 10s;
// While there is nothing of either grade, a host that has just begun.
constexpr Duration empty_patience = 1s;
// What no frame explains: the rest of one from before a restore, and no more.
constexpr std::uint64_t most_skipped = vmport::guest_frame_bytes - 1;
// For one guest, however many connections it begins: fresh seeds, those of grade drbg and refusals.
// It needs one a minute; the rest is a flood, which is read no faster and costs no more than this.
constexpr share::BucketRate seeds_of_a_guest{64, 64};
// Guests that are remembered for that; with more, some have one share together.
constexpr std::size_t known_guests = 1024;
// What a refusal says where grade full is never given, and at least.
constexpr Duration never_full = 60s;
constexpr unsigned least_wait = 1;

std::uint64_t secret_number() {
  std::uint64_t number = 0;
  crypto::random_bytes({reinterpret_cast<std::uint8_t*>(&number), sizeof number});
  return number;
}

class VmportWorker final : public serve::StreamWorker {
 public:
  VmportWorker(const serve::StreamSettings& settings, const serve::OutletServices& services,
               share::Visitors& visitors, asio::io_context& context, std::size_t slot,
               UniqueFd listener)
      : serve::StreamWorker(settings.limits, services, visitors, context, slot,
                            std::move(listener)),
        settings_(settings),
        pool_(vmport::host_frame_bytes),
        seeds_(known_guests, secret_number()) {}

 private:
  friend class VmportConnection;

  asio::awaitable<void> serve(serve::Arrival arrival) override;
  net::Peer identify(const sockaddr_storage& address, int fd) const override {
    return net::peer_process_of(address, fd);
  }

  const serve::StreamSettings& settings_;
  SecretPool pool_;
  share::BucketTable seeds_;  // by guest
};

class VmportConnection final : public serve::StreamConnection {
 public:
  VmportConnection(VmportWorker& worker, serve::Arrival arrival)
      : serve::StreamConnection(worker, std::move(arrival)),
        vmport_(worker),
        reader_(vmport::guest_frame_bytes) {}

  Task<void> run();

  // A guest has one port: a hypervisor that begins again may do so before we know of the end.
  bool gives_way() const override { return true; }

 private:
  // What came of one try.
  enum class Given { seed, nothing, gone };
  Task<Given> give(Kind kind, const vmport::GuestFrame& request, Duration patience);
  Task<bool> give_fresh();
  Task<bool> answer(const vmport::GuestFrame& request);
  Task<bool> send(const vmport::HostFrame& frame);
  Task<bool> await_token();

  VmportWorker& vmport_;
  vmport::FrameReader reader_;
  std::optional<TimePoint> questions_end_;  // of those that were sent together
};

asio::awaitable<void> VmportWorker::serve(serve::Arrival arrival) {
  VmportConnection connection(*this, std::move(arrival));
  co_await connection.run();
}

asio::awaitable<void> VmportConnection::run() {
  bool going = co_await give_fresh();
  while (going && !ending()) {
    if (turn_is_over()) co_await take_turns();
    const Bytes frame = reader_.next();
    if (reader_.skipped() > most_skipped) {
      ++vmport_.counters_.malformed;
      co_return;
    }
    if (frame.empty()) {
      const net::IoResult got = transport_.read(reader_.room());
      if (got.status == net::IoStatus::want_read) {
        questions_end_.reset();
        // None for half a frame either: a guest may be stopped at any byte, and has one place.
        deadline_ = TimePoint::max();
        const bool ready = co_await wait(got.status);
        if (!ready) co_return;
        continue;
      }
      if (got.status != net::IoStatus::ok) co_return;
      reader_.received(got.bytes);
      continue;
    }
    const auto request = vmport::decode_guest(frame);
    if (!request) {
      ++vmport_.counters_.malformed;
      co_return;
    }
    begin_work();
    going = co_await answer(*request);
    end_work();
  }
}

asio::awaitable<bool> VmportConnection::give_fresh() {
  begin_work();
  bool going = co_await await_token();
  if (!going) co_return false;
  const vmport::GuestFrame whole{0, vmport::most_seed, false};
  Given given = co_await give(Kind::fresh, whole, fresh_patience);
  while (given == Given::nothing && !ending()) {
    given = co_await give(Kind::fresh, whole, empty_patience);
  }
  end_work();
  co_return given == Given::seed;
}

asio::awaitable<bool> VmportConnection::answer(const vmport::GuestFrame& request) {
  const TimePoint now = vmport_.services_.clock.now();
  if (!questions_end_) questions_end_ = now + std::min(answer_patience, vmport_.limits_.line);
  const Duration patience = std::max(*questions_end_ - now, Duration::zero());
  const Given given = co_await give(Kind::answer, request, patience);
  if (given != Given::nothing) co_return given == Given::seed;
  ++vmport_.counters_.unavailable;
  const bool going = co_await await_token();
  if (!going) co_return false;
  Duration later = never_full;
  if (vmport_.settings_.grade == Grade::full) {
    later = serve::worth_a_try(
        vmport_.services_.dispenser.estimate(flow(), request.bytes, vmport_.services_.clock.now()));
  }
  const vmport::HostFrame refusal{
      Kind::refusal, false, request.id, std::max(least_wait, serve::retry_seconds(later)), {}};
  co_return co_await send(refusal);
}

asio::awaitable<VmportConnection::Given> VmportConnection::give(Kind kind,
                                                                const vmport::GuestFrame& request,
                                                                Duration patience) {
  vmport::HostFrame frame{kind, true, request.id, 0, {}};
  if (vmport_.settings_.grade == Grade::full) {
    auto drawn = co_await draw(request.bytes, patience);
    if (closing()) co_return Given::gone;
    if (drawn) {
      frame.seed = drawn->bytes.view();
      const bool sent = co_await send(frame);
      if (sent) arrived(drawn->delivery);
      co_return sent ? Given::seed : Given::gone;
    }
  }
  if (request.full_only) co_return Given::nothing;
  if (kind == Kind::answer) {
    const bool going = co_await await_token();
    if (!going) co_return Given::gone;
  }
  WipedArray<vmport::most_seed> seed;
  const MutableBytes bytes = seed.view().first(request.bytes);
  if (!vmport_.services_.drbg.generate(vmport_.slot_, bytes, vmport_.services_.clock.now())) {
    co_await pause(vmport_.services_.clock.now() + serve::seed_pause);
    co_return Given::nothing;
  }
  frame.full = false;
  frame.seed = bytes;
  const bool sent = co_await send(frame);
  if (sent) count_drbg(request.bytes);
  co_return sent ? Given::seed : Given::gone;
}

// False when the connection must end.
asio::awaitable<bool> VmportConnection::await_token() {
  for (;;) {
    const TimePoint now = vmport_.services_.clock.now();
    const Duration over = vmport_.seeds_.take(peer_.block, seeds_of_a_guest, 1, now);
    if (over == Duration::zero()) co_return !closing();
    ++vmport_.counters_.over_share;
    co_await pause(now + over);
    if (ending()) co_return false;
  }
}

asio::awaitable<bool> VmportConnection::send(const vmport::HostFrame& frame) {
  const auto lease = vmport_.pool_.lease();
  encode(frame, lease.view());
  const bool written = co_await write(lease.view());
  wipe(lease.view());
  if (written && frame.kind != Kind::refusal) ++vmport_.counters_.deliveries;
  if (written && frame.kind == Kind::fresh) {
    // Evidence that no two copies were given the same: a hash of 512 random bits tells nothing.
    log_of_peer(LogLevel::info, describe(peer_), "{}: a fresh seed of grade {} for {}, SHA-256 {}",
                vmport_.settings_.name, frame.full ? "full" : "drbg", describe(peer_),
                to_hex(crypto::sha256({frame.seed})));
  }
  co_return written;
}

}  // namespace

std::unique_ptr<serve::Outlet> make_vmport(serve::StreamSettings settings,
                                           const serve::OutletServices& services) {
  return std::make_unique<serve::NamelessOutlet<VmportWorker>>(std::move(settings), services);
}

namespace {

OutletPlan read_port(const spec::Spec& spec, const OutletDefaults& defaults) {
  if (spec.target.starts_with("//")) {
    throw Failure(
        fmt::format("{}: a hypervisor connects to a UNIX socket; write vmport:PATH", spec.text));
  }
  return plan_stream(serve::read_stream(spec, defaults.limits,
                                        {.usual_connections = serve::usual_guest_connections}),
                     make_vmport);
}

OutletPlan read_vsock(const spec::Spec& spec, const OutletDefaults& defaults) {
  return plan_stream(serve::read_vsock(spec, defaults.limits), make_vmport);
}

}  // namespace

extern const OutletType vmport_type{
    .name = "vmport",
    .options = "grade mode group connections",
    .summary =
        "seeds for guests: a UNIX socket to which hypervisors connect a virtio-serial port "
        "(docs/virtual-machines.md)",
    .read = read_port,
};
extern const OutletType vsock_type{
    .name = "vsock",
    .options = "grade connections",
    .summary = "the same, at a vsock port: vsock:PORT",
    .read = read_vsock,
};

}  // namespace qanat::outlets
