#include "outlets/netrng.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/asio/awaitable.hpp>

#include "base/version.h"
#include "net/announce_mdns.h"
#include "net/discover_mdns.h"
#include "net/io_threads.h"
#include "outlets/type.h"
#include "serve/stream_connection.h"
#include "spec/options.h"
#include "wire/netrng.h"

namespace qanat::outlets {

namespace asio = boost::asio;
namespace netrng = wire::netrng;
using netrng::Side;
using spec::Grade;
using wire::Status;
using namespace std::chrono_literals;

namespace {

// A client that says nothing for so long is hung up on, as by the original.
constexpr Duration silence = 3s;
// It gives up a reply after 2 s: what it waits for longer is lost on it.
constexpr Duration longest_request_wait = 1500ms;
// Requests that a client has sent ahead.
constexpr std::size_t request_inbox_bytes = 4 * netrng::most_request;

class NetrngWorker final : public serve::StreamWorker {
 public:
  NetrngWorker(const NetrngSettings& settings, const serve::OutletServices& services,
               share::Visitors& visitors, asio::io_context& context, std::size_t slot,
               UniqueFd listener)
      : serve::StreamWorker(settings.stream.limits, services, visitors, context, slot,
                            std::move(listener)),
        settings_(settings),
        pool_(netrng::sample_head_bytes + settings.sample_bytes + netrng::delimiter.size()) {}

 private:
  friend class NetrngConnection;

  asio::awaitable<void> serve(serve::Arrival arrival) override;

  const NetrngSettings& settings_;
  SecretPool pool_;
};

class NetrngConnection final : public serve::StreamConnection {
 public:
  NetrngConnection(NetrngWorker& worker, serve::Arrival arrival)
      : serve::StreamConnection(worker, std::move(arrival)), netrng_(worker) {}

  Task<void> run();

 private:
  Task<bool> answer(netrng::Verb verb);
  Task<bool> give_drbg();
  Task<bool> give_full();
  static MutableBytes frame(SecretPool::Lease& lease, std::size_t sample, MutableBytes& random);

  NetrngWorker& netrng_;
  std::array<std::uint8_t, request_inbox_bytes> inbox_;
  std::size_t received_ = 0;
  TimePoint asked_{};  // when it last asked for a sample
};

asio::awaitable<void> NetrngWorker::serve(serve::Arrival arrival) {
  NetrngConnection connection(*this, std::move(arrival));
  co_await connection.run();
}

asio::awaitable<void> NetrngConnection::run() {
  bool armed = false;
  asked_ = netrng_.services_.clock.now();
  while (!ending()) {
    netrng::Message message;
    std::size_t used = 0;
    const Status status =
        decode(Side::client, Bytes(inbox_).first(received_), netrng::most_request, message, used);
    if (status == Status::malformed) {
      ++netrng_.counters_.malformed;
      co_return;
    }
    if (status == Status::incomplete) {
      // For the whole of it: a byte now and then keeps no place.
      if (!std::exchange(armed, true)) arm(silence);
      const net::IoResult got = co_await receive(MutableBytes(inbox_).subspan(received_));
      if (got.status != net::IoStatus::ok) co_return;
      received_ += got.bytes;
      continue;
    }
    std::copy(inbox_.begin() + static_cast<std::ptrdiff_t>(used),
              inbox_.begin() + static_cast<std::ptrdiff_t>(received_), inbox_.begin());
    received_ -= used;
    armed = false;
    begin_work();
    const bool answered = co_await answer(message.verb);
    if (!answered) co_return;
    end_work();
  }
}

asio::awaitable<bool> NetrngConnection::answer(netrng::Verb verb) {
  const TimePoint now = netrng_.services_.clock.now();
  if (verb == netrng::Verb::heartbeat) {
    // Nor does one that is there for nothing, where others wait for its place.
    if (now - asked_ > netrng_.limits_.idle) {
      ++netrng_.counters_.timed_out;
      co_return false;
    }
    static const auto beat = encode(Side::server, netrng::Verb::heartbeat);
    co_return co_await write(beat);
  }
  asked_ = now;
  if (netrng_.settings_.stream.grade == Grade::full) co_return co_await give_full();
  co_return co_await give_drbg();
}

// A reply in the lease's block, and where its sample goes.
MutableBytes NetrngConnection::frame(SecretPool::Lease& lease, std::size_t sample,
                                     MutableBytes& random) {
  const auto head = netrng::encode_sample_head(sample);
  const std::string_view tail = netrng::delimiter;
  const MutableBytes whole = lease.view().first(head.size() + sample + tail.size());
  std::copy(head.begin(), head.end(), whole.begin());
  random = whole.subspan(head.size(), sample);
  std::copy(tail.begin(), tail.end(), whole.last(tail.size()).begin());
  return whole;
}

asio::awaitable<bool> NetrngConnection::give_drbg() {
  const std::size_t bytes = netrng_.settings_.sample_bytes;
  const Duration over = charge(netrng_.limits_.drbg_request + bytes);
  if (over > Duration::zero()) {
    // There is no word for "later" but to be late.
    ++netrng_.counters_.over_share;
    co_await pause(netrng_.services_.clock.now() + over);
  }
  auto lease = netrng_.pool_.lease();
  MutableBytes random;
  const MutableBytes whole = frame(lease, bytes, random);
  // Without a seed it hears nothing, and comes again.
  if (!netrng_.services_.drbg.generate(netrng_.slot_, random, netrng_.services_.clock.now())) {
    ++netrng_.counters_.unavailable;
    co_return false;
  }
  const bool written = co_await write(whole);
  wipe(random);
  if (!written) co_return false;
  count_drbg(bytes);
  ++netrng_.counters_.deliveries;
  co_return true;
}

// A whole sample, in pieces as they come; fewer bytes when time is up.
asio::awaitable<bool> NetrngConnection::give_full() {
  const std::size_t most = netrng_.settings_.sample_bytes;
  const TimePoint end = netrng_.services_.clock.now() + longest_request_wait;
  auto lease = netrng_.pool_.lease();
  const MutableBytes sample = lease.view().subspan(netrng::sample_head_bytes, most);
  serve::Delivery delivery;
  std::size_t bytes = 0;
  while (bytes < most) {
    const Duration left = end - netrng_.services_.clock.now();
    if (left <= Duration::zero()) break;
    auto drawn = co_await draw(piece_of(most - bytes), left);
    if (!drawn) break;
    const Bytes piece = drawn->bytes.view();
    std::copy(piece.begin(), piece.end(), sample.subspan(bytes).begin());
    bytes += piece.size();
    delivery.append(std::move(drawn->delivery));
  }
  if (bytes == 0) {
    ++netrng_.counters_.unavailable;
    co_return false;
  }
  MutableBytes random;
  const MutableBytes whole = frame(lease, bytes, random);
  bool written = false;
  if (!closing()) written = co_await deliver(whole, delivery);
  wipe(random);
  if (written) ++netrng_.counters_.deliveries;
  co_return written;
}

class Netrng final : public serve::StreamOutlet {
 public:
  Netrng(NetrngSettings settings, const serve::OutletServices& services)
      : serve::StreamOutlet(settings.stream.name, settings.stream.at, settings.stream.terms,
                            services),
        settings_(std::move(settings)) {}
  ~Netrng() override { stop(); }

  void start() override {
    listen();
    if (!settings_.announce) return;
    // Whoever knows the address is served.
    if (const auto possible = net::mdns(); !possible) {
      services().on_event(settings_.stream.name, possible.error().message, EventKind::warning);
      return;
    }
    const auto at = spec::parse_address(address_text());
    announcement_ =
        net::announce_mdns({"_netrng._tcp", at->port, {fmt::format("version={}", version())}},
                           [this](const std::string& text, EventKind kind) {
                             services().on_event(settings_.stream.name, text, kind);
                           });
  }
  void drain() override {
    announcement_.reset();
    serve::StreamOutlet::drain();
  }

 private:
  std::unique_ptr<serve::StreamWorker> make_worker(std::size_t slot, UniqueFd listener) override {
    return std::make_unique<NetrngWorker>(settings_, services(), visitors(),
                                          services().threads.context(slot), slot,
                                          std::move(listener));
  }

  const NetrngSettings settings_;
  std::unique_ptr<net::Announcement> announcement_;
};

}  // namespace

std::unique_ptr<serve::Outlet> make_netrng(NetrngSettings settings,
                                           const serve::OutletServices& services) {
  return std::make_unique<Netrng>(std::move(settings), services);
}

namespace {

NetrngSettings read_settings(const spec::Spec& spec, const OutletDefaults& defaults) {
  if (!spec.target.starts_with("//")) {
    throw Failure(fmt::format("{}: write netrng://ADDR:PORT", spec.text));
  }
  NetrngSettings settings;
  settings.stream = serve::read_stream(spec, defaults.limits, {.usual_port = netrng::usual_port});
  settings.sample_bytes =
      spec::size_of(spec, "bytes", settings.sample_bytes, 16, netrng::most_sample);
  if (const auto clients = spec::count_of(spec, "clients")) {
    settings.stream.limits.connections = *clients;
    settings.stream.limits.wait_for_room = true;
  }
  settings.announce = spec::yes_or_no(spec, "announce", false);
  if (settings.announce && spec::is_loopback(settings.stream.at.address.host)) {
    throw Failure(fmt::format("{}: announce=yes, and nobody else can reach {}", spec.text,
                              settings.stream.at.address.text()));
  }
  return settings;
}

OutletPlan read_netrng(const spec::Spec& spec, const OutletDefaults& defaults) {
  NetrngSettings settings = read_settings(spec, defaults);
  return {
      .place = settings.stream.at.place(),
      .path = settings.stream.at.unix_path,
      .note = fmt::format("{}, samples of {} bytes{}", settings.stream.note(),
                          settings.sample_bytes, settings.announce ? ", announced by mDNS" : ""),
      .limits = settings.stream.limits,
      .make =
          [settings](const Services& services) { return make_netrng(settings, services.common); },
      .look =
          [settings](spec::Obstacles& found) {
            settings.stream.at.look(settings.stream.name, found);
            if (!settings.announce) return;
            if (const auto possible = net::mdns(); !possible) {
              found.push_back(
                  {fmt::format("{}: {}", settings.stream.name, possible.error().message),
                   "announce", spec::Obstacle::Kind::absent});
            }
          }};
}

}  // namespace

extern const OutletType netrng_type{
    .name = "netrng",
    .options = "bytes clients announce grade connections access",
    .summary = "NetRNG: //ADDR:8989 (docs/protocols/netrng.md)",
    .read = read_netrng,
};

}  // namespace qanat::outlets
