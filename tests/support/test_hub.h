// A node's outlets and what they need, in this process, with bytes from a test.
#pragma once

#include <mutex>

#include "crypto/certificate.h"
#include "net/io_threads.h"
#include "outlets/http/http.h"
#include "outlets/trickle/cookie_keeper.h"
#include "peers/http_client.h"
#include "share/seeded_drbg.h"
#include "support/noise.h"

namespace qanat::test {

class TestHub {
 public:
  // `clock`: for outlets; the test's own, or the machine's.
  explicit TestHub(std::size_t threads = 1, const Clock& clock = real_clock())
      : clock_(clock), threads_(threads) {
    drbg_ = share::SeededDrbg::make(dispenser, threads, {});
    services_ = std::make_unique<outlets::Services>(outlets::Services{
        .common = {.dispenser = dispenser,
                   .drbg = drbg_->pool(),
                   .clients = clients,
                   .key = key,
                   .blocks = blocks_,
                   .threads = threads_,
                   .clock = clock_,
                   .on_event =
                       [this](const std::string& subject, const std::string& text, EventKind kind) {
                         {
                           const std::scoped_lock lock(events_mutex_);
                           events_.push_back(subject + ": " + text);
                         }
                         if (on_event) on_event(subject, text, kind);
                       },
                   .on_fed = [] {}},
        .http = {.provenance = provenance,
                 .identity =
                     [this] {
                       return net::ServerTls{.key_pem = identity_.key_pem.view(),
                                             .certificate_pem = identity_.certificate_pem,
                                             .client_ca = {}};
                     },
                 .status = seen_by,
                 .live = seen_by,
                 .status_text = seen_by,
                 .metrics = [](const observe::Viewer& viewer, bool) { return seen_by(viewer); },
                 .history = [](const observe::Viewer& viewer,
                               std::string_view) { return seen_by(viewer); },
                 .events = events,
                 .live_status = live,
                 .loopback_sees_all = [this] { return loopback_sees_all; },
                 .ready = [this] { return drbg_->pool().ready(); },
                 .shortage = [] { return std::string(); },
                 .trickle_port = [this] { return trickle_port; }},
        .cookies = cookies});
  }
  ~TestHub() { drbg_->stop(); }

  // Full-entropy bytes arrive.
  void credit(std::size_t bytes) { credit(uniform(bytes, ++seed_)); }
  void credit(const Samples& bytes) {
    dispenser.credit(source_, bytes, dispenser.epoch(), clock_.now());
  }
  // As if a source had given `rate` bytes per second for the last ten seconds, all of which are
  // gone by now.
  void prove_supply(double rate) {
    const TimePoint now = clock_.now();
    const auto gap = std::chrono::duration<double>(64 / rate);
    const share::Flow taker = dispenser.open_flow("taker");
    Samples out(64);
    for (auto ago = std::chrono::duration<double>(10); ago.count() > 0; ago -= gap) {
      const TimePoint at = now - std::chrono::duration_cast<Duration>(ago);
      dispenser.credit(source_, uniform(64, ++seed_), dispenser.epoch(), at);
      dispenser.request(taker.id(), 64, at, [] {}).collect(out).delivered(64);
    }
  }
  void lose_source() { dispenser.lost(source_, clock_.now()); }
  void seed_drbg() {
    drbg_->pool().start();
    credit(48 * threads_.size());
  }
  const serve::OutletServices& services() const { return services_->common; }
  const outlets::Services& all_services() const { return *services_; }
  // As outlets have told them.
  std::vector<std::string> told() const {
    const std::scoped_lock lock(events_mutex_);
    return events_;
  }
  crypto::Pin pin() const { return *crypto::pin_of_certificate(identity_.certificate_pem); }

  share::Dispenser dispenser{1 << 20, 64 << 10};
  entropy::Provenance provenance;
  entropy::ConditioningKey key{Samples(64)};
  // As on a disk: what outlets/trickle/cookie_keys.h is kept as.
  std::string cookie_text;
  outlets::CookieKeeper cookies{
      {.name = "trickle.key",
       .read = [this]() -> Result<SecretBytes> { return SecretBytes(as_bytes(cookie_text)); },
       .write = [this](Bytes text) -> Result<void> {
         cookie_text = std::string(as_text(text));
         return {};
       }},
      [](const std::string&, EventKind) {}};
  std::uint16_t trickle_port = 0;
  observe::Events events{1};
  observe::LiveStatus live;
  bool loopback_sees_all = true;
  observe::OnEvent on_event;  // set before outlets start; from any thread
  share::ClientBook clients{[this](const std::string& name, const share::Terms& terms) {
    return dispenser.open_flow(name, terms);
  }};

 private:
  // In place of a document: who it is made for.
  static std::string seen_by(const observe::Viewer& viewer) {
    return viewer.all ? "all\n" : viewer.client != nullptr ? viewer.client->name + "\n" : "none\n";
  }
  static const Clock& real_clock() {
    static const Clock clock;
    return clock;
  }

  mutable std::mutex events_mutex_;
  std::vector<std::string> events_;
  const Clock& clock_;
  crypto::KeyAndCertificate identity_ = crypto::make_self_signed("test");
  entropy::SourceId source_ = dispenser.open_source("test");
  std::uint64_t seed_ = 0;
  net::IoThreads threads_;
  share::BucketTable blocks_{1024, 1};
  std::shared_ptr<share::SeededDrbg> drbg_;
  std::unique_ptr<outlets::Services> services_;
};

}  // namespace qanat::test
