#include "sources/rngnet.h"

#include <fmt/core.h>

#include "base/log.h"
#include "crypto/aead.h"
#include "sources/type.h"
#include "spec/options.h"

namespace qanat::sources {

using entropy::SourceState;
using namespace std::chrono_literals;

namespace {

// A sender that has sent nothing for so long has gone.
constexpr Duration silence = 60s;
// An address that is in use, or not there yet, is tried again this often.
constexpr Duration listen_interval = 2s;

}  // namespace

Rngnet::Rngnet(std::string name, spec::Address address, std::size_t bytes, entropy::Claim claim,
               const SourceServices& services)
    : name_(std::move(name)),
      address_(std::move(address)),
      bytes_(bytes),
      services_(services),
      intake_(services.dispenser.open_source(name_), claim, services.key, services.dispenser,
              crypto::random_seed(), [this](const std::string& text, EventKind kind) {
                services_.on_event(name_, text, kind);
              }) {}

Rngnet::~Rngnet() { request_stop(); }

void Rngnet::start() {
  thread_.start([this] { run(); },
                [this](const std::string& why) {
                  intake_.broke(why, services_.clock.now());
                  const MutexLock lock(mutex_);
                  receiver_.reset();
                },
                waker_, services_.clock);
}

void Rngnet::request_stop() {
  thread_.request_stop();
  waker_.wake();
}

void Rngnet::retest() {
  intake_.retest();
  tell_now_ = true;
  waker_.wake();
}

// Null while the address cannot be had.
peers::RngnetReceiver* Rngnet::listen() {
  try {
    auto receiver = std::make_unique<peers::RngnetReceiver>(address_, bytes_);
    const MutexLock lock(mutex_);
    receiver_ = std::move(receiver);
    return receiver_.get();
  } catch (const Failure& problem) {
    intake_.gone(problem.what(), services_.clock.now());
    return nullptr;
  }
}

void Rngnet::run() {
  peers::RngnetReceiver* receiver = nullptr;
  while ((receiver = listen()) == nullptr) {
    wait_for(-1, 0, waker_, listen_interval);
    if (thread_.stopping()) return;
    waker_.clear();
  }
  TimePoint last = services_.clock.now();
  TimePoint tell_at = last + peers::RngnetReceiver::stat_interval;
  entropy::Epoch epoch = services_.dispenser.epoch();
  while (!thread_.stopping()) {
    if (services_.dispenser.epoch() != epoch) {
      epoch = services_.dispenser.epoch();
      outdated_ += receiver->discard();
    }
    const auto datagram = receiver->receive(waker_, tell_at);
    const TimePoint now = services_.clock.now();
    if (thread_.stopping()) return;
    if (!datagram) waker_.clear();
    if (tell_now_.exchange(false) || now >= tell_at) {
      log_info("{}: {}", name_, receiver->stat_line());
      tell_at = now + peers::RngnetReceiver::stat_interval;
    }
    if (intake_.state() == SourceState::failed && now >= intake_.retry_at()) intake_.try_again();
    if (!datagram) {
      if (now - last >= silence) intake_.gone("no datagram has come for a minute", now);
      continue;
    }
    intake_.back();
    if (intake_.state() != SourceState::failed && intake_.due(services_.dispenser.demand(), now)) {
      intake_.samples(*datagram, epoch, last, now);
    } else {
      ++not_wanted_;
    }
    wipe(*datagram);
    last = now;
  }
}

observe::SourceReport Rngnet::report() const {
  observe::SourceReport report =
      observe::report_of(name_, intake_.claim(), intake_.report(), intake_.id());
  const MutexLock lock(mutex_);
  if (!receiver_) return report;
  const wire::rngnet::Counts counts = receiver_->counts();
  report.dropped["recv_err"] = counts.recv_err;
  report.dropped["bad_size"] = counts.bad_size;
  report.dropped["not_wanted"] = not_wanted_.load();
  report.dropped["outdated"] += outdated_.load();
  return report;
}

namespace {

SourcePlan read_rngnet(const spec::Spec& spec, entropy::Claim usual) {
  using namespace wire::rngnet;
  auto address = spec::require_address(spec, usual_port);
  const std::size_t bytes = spec::size_of(spec, "bytes", usual_bytes, least_bytes, most_bytes);
  const entropy::Claim claim = spec::claim_of(spec, usual);
  return {.name = spec.text,
          .claim = claim,
          .note = std::string(unauthenticated),
          .run = [name = spec.text, address = std::move(address), bytes,
                  claim](const SourceServices& services) {
            return std::make_unique<Rngnet>(name, address, bytes, claim, services);
          }};
}

}  // namespace

extern const SourceType rngnet_type{
    .name = "rngnet",
    .target = "//ADDR:PORT",
    .usual = {4, false},
    .options = "bytes",
    .summary = "what an rngnet sender pushes to //ADDR:PORT; credited 0",
    .read = read_rngnet,
};

}  // namespace qanat::sources
