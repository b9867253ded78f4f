#include "outlets/http/http.h"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "net/io_threads.h"
#include "outlets/http/worker.h"
#include "outlets/type.h"

namespace qanat::outlets {

namespace asio = boost::asio;

namespace {

// A certificate is renewed days before it ends; but a person who replaced one looks on.
constexpr Duration certificate_look_interval = std::chrono::seconds(10);

serve::StreamAddress address_of(const HttpSettings& settings) {
  return {settings.unix_path, 0600, "", settings.address};
}

}  // namespace

HttpOutlet::HttpOutlet(HttpSettings settings, const Services& services)
    : serve::StreamOutlet(settings.name, address_of(settings), settings.terms, services.common),
      settings_(std::move(settings)),
      all_(services),
      looking_(services.common.threads.context(0)),
      look_timer_(services.common.threads.context(0)) {}

HttpOutlet::~HttpOutlet() { stop(); }

void HttpOutlet::start() {
  if (settings_.tls) {
    identity_.emplace(settings_, all_);
    identity_->load();
  }
  listen();
  if (!identity_ || !identity_->renewable()) return;
  services().threads.run_on(0, [this] {
    looking_.start(
        "looking at the certificate", [this] { return look_on(); },
        [this](const std::string& text) {
          services().on_event(settings_.name, text, EventKind::warning);
        });
  });
}

asio::awaitable<void> HttpOutlet::look_on() {
  boost::system::error_code cancelled;
  for (;;) {
    look_timer_.expires_after(certificate_look_interval);
    co_await look_timer_.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
    if (cancelled) co_return;
    identity_->look(false);
  }
}

void HttpOutlet::stop() {
  // At least once more than it runs: what was posted before is done with by then.
  do {
    services().threads.run_on(0, [this] {
      looking_.stop();
      look_timer_.cancel();
    });
  } while (looking_.running());
  serve::StreamOutlet::stop();
}

void HttpOutlet::reload() {
  if (identity_) identity_->look(true);
}

observe::OutletReport HttpOutlet::report() const {
  observe::OutletReport report = serve::StreamOutlet::report();
  if (identity_) identity_->report(report);
  return report;
}

std::optional<spec::Address> HttpOutlet::invites_to() const {
  if (!settings_.tls) return std::nullopt;
  const auto at = spec::parse_address(address_text());
  return at ? std::optional(*at) : std::nullopt;
}

std::unique_ptr<serve::StreamWorker> HttpOutlet::make_worker(std::size_t slot, UniqueFd listener) {
  return std::make_unique<HttpWorker>(settings_, all_, visitors(), services().threads.context(slot),
                                      slot, identity_ ? &*identity_ : nullptr, std::move(listener));
}

namespace {

OutletPlan read_http(const spec::Spec& spec, const OutletDefaults& defaults) {
  HttpSettings settings = read_http_settings(spec, defaults);
  return {.place = "tcp " + settings.address.text(),
          .note = note_of(settings),
          .limits = settings.limits,
          .serves_store = true,
          .make =
              [settings](const Services& services) {
                return std::make_unique<HttpOutlet>(settings, services);
              },
          .look =
              [settings](spec::Obstacles& found) {
                if (settings.tls) ServerIdentity::look(settings, found);
                address_of(settings).look(settings.name, found);
              }};
}

}  // namespace

extern const OutletType https_type{
    .name = "https",
    .options = "access cert key ca grade connections",
    .summary = "the HTTP API over TLS 1.3",
    .read = read_http,
};
extern const OutletType http_type{
    .name = "http",
    .options = "access host grade connections",
    .summary = "the HTTP API",
    .read = read_http,
};

}  // namespace qanat::outlets
