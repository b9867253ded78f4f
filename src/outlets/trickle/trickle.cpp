#include "outlets/trickle/trickle.h"

#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstring>
#include <ctime>

#include "net/io_threads.h"
#include "net/kept_loop.h"
#include "net/listen.h"
#include "outlets/trickle/server.h"
#include "outlets/type.h"
#include "serve/options.h"
#include "serve/stream_worker.h"
#include "spec/options.h"

namespace qanat::outlets {

namespace asio = boost::asio;
using wire::trickle::most_datagram;
using namespace std::chrono_literals;

namespace {

// Datagrams of one system call: more gains little, and takes memory.
constexpr std::size_t batch = 64;
// The cookie keys go on with the hour even while nobody asks, so that old ones are gone from the
// disk too.
constexpr Duration key_interval = 5min;

// One datagram, with who sent it and to which of our addresses.
struct Slot {
  std::array<std::uint8_t, most_datagram + 1> in;  // one more, to see what is too long
  std::array<std::uint8_t, most_datagram> out;
  sockaddr_storage peer;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(in6_pktinfo))> control;
  iovec in_vector;
  iovec out_vector;
};

// The interface is the routing table's business, but for addresses of one link.
void answer_from_where_it_was_asked(msghdr& header) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      in_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      info.ipi_ifindex = 0;
      std::memcpy(CMSG_DATA(c), &info, sizeof info);
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) info.ipi6_ifindex = 0;
      std::memcpy(CMSG_DATA(c), &info, sizeof info);
    }
  }
}

std::uint64_t unix_time() { return static_cast<std::uint64_t>(std::time(nullptr)); }

}  // namespace

// On one thread, but for `counters`.
class TrickleOutlet::Worker {
 public:
  Worker(const TrickleSettings& settings, const serve::OutletServices& services,
         CookieKeeper& cookies, share::Visitors& visitors, asio::io_context& context,
         std::size_t slot, UniqueFd fd)
      : name_(settings.name),
        services_(services),
        cookies_(cookies),
        slot_(slot),
        fd_(std::move(fd)),
        socket_(context, fd_.get()),
        key_timer_(context),
        server_(services, cookies, settings.limits, visitors, slot),
        slots_(batch),
        received_(batch),
        sending_(batch),
        replies_(batch),
        serving_(context),
        keeping_(context) {
    prepare_slots(batch);
  }
  ~Worker() {
    if (socket_.is_open()) (void)socket_.release();  // fd_ closes it
  }

  void start() {
    const auto tell = [this](const std::string& text) {
      services_.on_event(name_, text, EventKind::warning);
    };
    serving_.start(
        "answering datagrams", [this] { return serve(); }, tell);
    if (slot_ == 0)
      keeping_.start(
          "keeping the cookie keys", [this] { return keep_keys(); }, tell);
  }
  void stop() {
    stopping_ = true;
    serving_.stop();
    keeping_.stop();
    if (socket_.is_open()) (void)socket_.release();
    key_timer_.cancel();
  }
  bool at_rest() const { return !serving_.running() && !keeping_.running(); }
  void set_limits(const serve::Limits& limits) { server_.set_limits(limits); }
  std::size_t slot() const { return slot_; }
  const TrickleCounters& counters() const { return server_.counters(); }
  std::uint64_t unsent() const { return unsent_; }
  const observe::Latency& latency() const { return latency_; }
  std::uint64_t failed() const { return failed_; }

 private:
  asio::awaitable<void> serve() {
    boost::system::error_code problem;
    while (!stopping_) {
      co_await socket_.async_wait(asio::posix::stream_descriptor::wait_read,
                                  asio::redirect_error(asio::use_awaitable, problem));
      if (stopping_) co_return;
      if (problem) throw boost::system::system_error(problem);
      // A flood does not keep the other outlets of this thread from their turn.
      const TimePoint turn_end = services_.clock.now() + serve::StreamWorker::turn;
      while (serve_batch() && services_.clock.now() < turn_end) {
      }
    }
  }
  asio::awaitable<void> keep_keys() {
    boost::system::error_code ignored;
    while (!stopping_) {
      cookies_.keep(unix_time());
      server_.refresh(unix_time());
      key_timer_.expires_after(key_interval);
      co_await key_timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
  }
  // What the kernel changed when it filled the first so many.
  void prepare_slots(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      Slot& slot = slots_[i];
      slot.in_vector = {slot.in.data(), slot.in.size()};
      received_[i].msg_hdr = {&slot.peer, sizeof slot.peer,    &slot.in_vector,
                              1,          slot.control.data(), slot.control.size(),
                              0};
    }
  }

  // Whether there was anything: then there may be more by now, and looking costs less than
  // sleeping.
  bool serve_batch() {
    const int got = ::recvmmsg(fd_.get(), received_.data(), batch, MSG_DONTWAIT, nullptr);
    if (got <= 0) return false;
    server_.refresh(unix_time());
    server_.begin_batch(static_cast<std::size_t>(got));
    const TimePoint now = services_.clock.now();
    std::size_t count = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(got); ++i) {
      Slot& slot = slots_[i];
      auto reply = answer(slot, received_[i].msg_len, now);
      if (reply.bytes == 0) continue;
      slot.out_vector = {slot.out.data(), reply.bytes};
      msghdr& header = sending_[count].msg_hdr;
      header = received_[i].msg_hdr;
      header.msg_iov = &slot.out_vector;
      header.msg_flags = 0;
      answer_from_where_it_was_asked(header);
      replies_[count++] = std::move(reply);
    }
    server_.end_batch();
    const std::uint64_t before = server_.counters().deliveries;
    send(count, now);
    const std::uint64_t answered = server_.counters().deliveries - before;
    if (answered > 0) latency_.add(services_.clock.now() - now, answered);
    prepare_slots(static_cast<std::size_t>(got));
    return true;
  }

  // What goes wrong with one datagram costs that one alone.
  TrickleServer::Reply answer(Slot& slot, std::size_t size, TimePoint now) {
    try {
      return server_.answer(Bytes(slot.in).first(size), net::peer_of(slot.peer, fd_.get()), now,
                            slot.out);
    } catch (const std::exception& problem) {
      if (failed_++ == 0) {
        services_.on_event(name_,
                           fmt::format("a datagram could not be answered: {}; others are, "
                                       "and 'failed' in the status counts such ones",
                                       problem.what()),
                           EventKind::warning);
      }
      return {};
    }
  }

  void send(std::size_t count, TimePoint now) {
    std::size_t done = 0;
    while (done < count) {
      const int sent = ::sendmmsg(fd_.get(), sending_.data() + done,
                                  static_cast<unsigned>(count - done), MSG_DONTWAIT);
      if (sent <= 0) {
        // The first of the rest cannot go (no route, a full buffer): its bytes are discarded, the
        // client asks again.
        ++unsent_;
        replies_[done++] = {};
        continue;
      }
      for (int i = 0; i < sent; ++i) {
        server_.sent(std::exchange(replies_[done], {}), now);
        ++done;
      }
    }
  }

  const std::string name_;
  const serve::OutletServices& services_;
  CookieKeeper& cookies_;
  const std::size_t slot_;
  UniqueFd fd_;
  asio::posix::stream_descriptor socket_;
  asio::steady_timer key_timer_;
  TrickleServer server_;
  std::vector<Slot> slots_;
  std::vector<mmsghdr> received_;
  std::vector<mmsghdr> sending_;
  std::vector<TrickleServer::Reply> replies_;
  observe::Latency latency_;  // from a batch's arrival to its last datagram
  std::atomic<std::uint64_t> unsent_{0};
  std::atomic<std::uint64_t> failed_{0};
  net::KeptLoop serving_;
  net::KeptLoop keeping_;
  bool stopping_ = false;
};

TrickleOutlet::TrickleOutlet(TrickleSettings settings, const serve::OutletServices& services,
                             CookieKeeper& cookies)
    : settings_(std::move(settings)),
      services_(services),
      cookies_(cookies),
      visitors_(services.dispenser, settings_.name, settings_.terms) {}

TrickleOutlet::~TrickleOutlet() { stop(); }

void TrickleOutlet::start() {
  cookies_.begin(unix_time());
  net::Listeners listeners = net::listen_udp(settings_.address, services_.threads.size());
  settings_.address.port = net::local_port(listeners[0][0].get());
  for (std::size_t i = 0; i < listeners.size(); ++i) {
    for (UniqueFd& fd : listeners[i]) {
      workers_.push_back(std::make_unique<Worker>(settings_, services_, cookies_, visitors_,
                                                  services_.threads.context(i), i, std::move(fd)));
    }
  }
  for_each_worker([](Worker& worker) { worker.start(); });
}

void TrickleOutlet::for_each_worker(const std::function<void(Worker&)>& work) {
  for (const auto& worker : workers_) {
    services_.threads.run_on(worker->slot(), [&] { work(*worker); });
  }
}

void TrickleOutlet::drain() {
  for_each_worker([](Worker& worker) { worker.stop(); });
}

void TrickleOutlet::stop() {
  if (workers_.empty()) return;
  drain();
  const bool ended = serve::await_rest(services_.clock, [this] {
    bool all = true;
    for_each_worker([&](Worker& worker) { all = all && worker.at_rest(); });
    return all;
  });
  if (!ended) {
    stuck_ = true;
    services_.on_event(settings_.name, "its UDP loops do not end; left behind", EventKind::warning);
    return;
  }
  while (!workers_.empty()) {
    services_.threads.run_on(workers_.back()->slot(), [this] { workers_.back().reset(); });
    workers_.pop_back();
  }
}

void TrickleOutlet::renew() { cookies_.renew(); }

void TrickleOutlet::reload() { cookies_.reload(unix_time()); }

void TrickleOutlet::set_limits(const serve::Limits& limits) {
  for_each_worker([&](Worker& worker) { worker.set_limits(limits); });
}

observe::OutletReport TrickleOutlet::report() const {
  observe::OutletReport report{
      .name = settings_.name,
      .detail = fmt::format("listening on UDP {}", settings_.address.text()),
      .problem = cookies_.problem(),
      .listening = true,
      .refused = {}};
  using wire::trickle::Drop;
  using wire::trickle::Reason;
  for (const auto& worker : workers_) {
    const TrickleCounters& c = worker->counters();
    report.deliveries += c.deliveries;
    report.full_bytes += c.full_bytes;
    report.drbg_bytes += c.drbg_bytes;
    report.latency += worker->latency().counts();
    for (const Drop drop : {Drop::too_short, Drop::too_long, Drop::malformed, Drop::padding}) {
      report.refused[std::string(to_string(drop))] += c.dropped[static_cast<std::size_t>(drop)];
    }
    for (const auto& [reason, count] :
         {std::pair{"generation", &c.generation}, std::pair{"cookie", &c.cookie},
          std::pair{"mac", &c.mac}, std::pair{"replayed", &c.replayed},
          std::pair{"over_share", &c.refused_for(Reason::rate)},
          std::pair{"unavailable", &c.refused_for(Reason::dry)},
          std::pair{"unseeded", &c.refused_for(Reason::unseeded)},
          std::pair{"session", &c.refused_for(Reason::session)}}) {
      report.refused[reason] += *count;
    }
    report.refused["unsent"] += worker->unsent();
    report.refused["failed"] += worker->failed();
  }
  return report;
}

namespace {

OutletPlan read_trickle(const spec::Spec& spec, const OutletDefaults& defaults) {
  TrickleSettings settings{spec.text, spec::require_address(spec, wire::trickle::usual_port),
                           defaults.limits, serve::terms_of(spec)};
  return {.place = "udp " + settings.address.text(),
          .note = "who has a cookie from a session over https may draw",
          .limits = settings.limits,
          .make =
              [settings](const Services& services) {
                return std::make_unique<TrickleOutlet>(settings, services.common, services.cookies);
              },
          .look =
              [settings](spec::Obstacles& found) {
                attempt_into(
                    found, "", [&settings] { net::try_udp(settings.address); },
                    spec::Obstacle::Kind::taken);
              }};
}

}  // namespace

extern const OutletType trickle_type{
    .name = "trickle",
    .summary = "seeds by UDP (docs/trickle.md)",
    .read = read_trickle,
};

}  // namespace qanat::outlets
