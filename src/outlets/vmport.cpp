#include "outlets/vmport.h"

#include <algorithm>
#include <boost/asio/awaitable.hpp>

#include "outlets/nameless_outlet.h"
#include "outlets/stream_connection.h"
#include "wire/vmport.h"

namespace qanat::outlets {

namespace asio = boost::asio;
namespace vmport = wire::vmport;
using vmport::Kind;
using wire::Grade;
using namespace std::chrono_literals;

namespace {

// A copy that waits is a copy that gives out what others do: the first seed is of grade drbg where
// full-entropy bytes are not here at once.
constexpr Duration fresh_patience = Duration::zero();
constexpr Duration answer_patience = 10s;
// What no frame explains: the rest of one from before a restore, and no more.
constexpr std::uint64_t most_skipped = vmport::guest_frame_bytes;
// A grade drbg request in the time of one byte, as the other outlets charge it.

class VmportWorker final : public StreamWorker {
 public:
  VmportWorker(const StreamSettings& settings, const OutletServices& services,
               share::Visitors& visitors, asio::io_context& context, std::size_t slot,
               UniqueFd listener)
      : StreamWorker(settings.limits, services, visitors, context, slot, std::move(listener)),
        settings_(settings),
        pool_(vmport::host_frame_bytes) {}

 private:
  friend class VmportConnection;

  asio::awaitable<void> serve(UniqueFd fd, net::Peer peer) override;

  const StreamSettings& settings_;
  SecretPool pool_;
};

class VmportConnection final : public StreamConnection {
 public:
  VmportConnection(VmportWorker& worker, UniqueFd fd, net::Peer peer)
      : StreamConnection(worker, std::move(fd), peer),
        vmport_(worker),
        reader_(vmport::guest_frame_bytes) {}

  Task<void> run();

 private:
  Task<bool> give(Kind kind, const vmport::GuestFrame& request, Duration patience);
  Task<bool> send(const vmport::HostFrame& frame);

  VmportWorker& vmport_;
  vmport::FrameReader reader_;
};

asio::awaitable<void> VmportWorker::serve(UniqueFd fd, net::Peer peer) {
  VmportConnection connection(*this, std::move(fd), peer);
  co_await connection.run();
}

asio::awaitable<void> VmportConnection::run() {
  bool going = co_await give(Kind::fresh, {0, vmport::most_seed, false}, fresh_patience);
  while (going && !closing_ && !draining_) {
    const Bytes frame = reader_.next();
    if (reader_.skipped() > most_skipped) {
      ++vmport_.counters_.malformed;
      co_return;
    }
    if (frame.empty()) {
      deadline_ = TimePoint::max();
      const bool ready = co_await wait(net::IoStatus::want_read);
      if (!ready) co_return;
      const net::IoResult got = transport_.read(reader_.room());
      if (got.status == net::IoStatus::want_read) continue;
      if (got.status != net::IoStatus::ok) co_return;
      reader_.received(got.bytes);
      continue;
    }
    const auto request = vmport::decode_guest(frame);
    if (!request) {
      ++vmport_.counters_.malformed;
      co_return;
    }
    busy_ = true;
    going = co_await give(Kind::answer, *request, answer_patience);
    busy_ = false;
  }
}

asio::awaitable<bool> VmportConnection::give(Kind kind, const vmport::GuestFrame& request,
                                             Duration patience) {
  vmport::HostFrame frame{kind, true, request.id, 0, {}};
  if (vmport_.settings_.grade == Grade::full) {
    auto drawn = co_await draw(request.bytes, patience);
    if (closing_) co_return false;
    if (drawn) {
      frame.seed = drawn->bytes.view();
      const bool sent = co_await send(frame);
      if (!sent) {
        vmport_.counters_.undelivered += request.bytes;
        co_return false;
      }
      drawn->withdrawal.delivered(request.bytes);
      count_full(request.bytes);
      co_return true;
    }
  }
  const TimePoint now = vmport_.services_.clock.now();
  const Duration over = request.full_only ? 1s : charge(vmport_.limits_.drbg_request);
  WipedArray<vmport::most_seed> seed;
  const MutableBytes bytes = seed.view().first(request.bytes);
  frame.full = false;
  if (!request.full_only && vmport_.services_.drbg.generate(vmport_.slot_, bytes, now)) {
    frame.seed = bytes;
    const bool sent = co_await send(frame);
    if (sent) count_drbg(request.bytes);
    if (sent && over > Duration::zero()) co_await pause(now + over);
    co_return sent && !closing_;
  }
  ++vmport_.counters_.unavailable;
  frame = {Kind::refusal, false, request.id, retry_seconds(std::max<Duration>(over, 1s)), {}};
  co_return co_await send(frame);
}

asio::awaitable<bool> VmportConnection::send(const vmport::HostFrame& frame) {
  const auto lease = vmport_.pool_.lease();
  encode(frame, lease.view());
  const bool written = co_await write(lease.view());
  wipe(lease.view());
  if (written) ++vmport_.counters_.deliveries;
  co_return written;
}

}  // namespace

std::unique_ptr<Outlet> make_vmport(StreamSettings settings, const OutletServices& services) {
  return std::make_unique<NamelessOutlet<VmportWorker>>(std::move(settings), services);
}

}  // namespace qanat::outlets
