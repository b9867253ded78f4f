#include "sources/upstream.h"

#include <fmt/core.h>

#include <algorithm>

#include "crypto/aead.h"
#include "crypto/hash.h"

namespace qanat::sources {

using net::ClientError;
using net::Trouble;
using namespace std::chrono_literals;

namespace {

// One request at most: small beside any share, large beside the cost of a request.
constexpr std::size_t max_transfer = 4096;
// The hub is asked to keep us in line this long.
constexpr std::string_view wait = "10s";
// A seed of grade drbg, and what it may be worth.
constexpr std::size_t drbg_seed_bytes = 64;
constexpr std::size_t drbg_credit_bytes = 32;
constexpr std::size_t local_noise_bytes = 64;
// A hub that returns meets at most a tenth of its clients in its first second: simulated with
// 10,000 in tests/scenario.
constexpr Duration backoff_base = 5s;
constexpr Duration backoff_cap = 5min;

}  // namespace

Upstream::Upstream(std::string name, std::vector<net::Endpoint> endpoints,
                   UpstreamSettings settings, const SourceServices& services)
    : name_(std::move(name)),
      settings_(settings),
      services_(services),
      account_(services.dispenser.open_source(name_)),
      backoff_(backoff_base, backoff_cap, crypto::random_seed()),
      blinder_(services.key, account_),
      buffer_(max_transfer) {
  for (net::Endpoint& endpoint : endpoints) {
    clients_.push_back(std::make_unique<net::HttpClient>(std::move(endpoint), stop_waker_));
  }
}

Upstream::~Upstream() { request_stop(); }

void Upstream::start() {
  thread_.start([this] {
    run();
    for (const auto& client : clients_) client->disconnect();
  });
}

void Upstream::request_stop() {
  thread_.request_stop();
  stop_waker_.wake();
  waker_.wake();
}

void Upstream::retest() {
  hurry_.store(true);
  waker_.wake();
}

void Upstream::run() {
  while (!thread_.stopping()) {
    waker_.clear();
    const std::size_t wanted = std::min(services_.dispenser.wanted(), max_transfer);
    if (!services_.dispenser.demand() || wanted == 0) {
      if (!thread_.stopping()) wait_for(-1, 0, waker_, std::nullopt);
      continue;
    }
    const Outcome outcome = fetch_from_any(wanted);
    if (outcome) {
      backoff_.reset();
      continue;
    }
    if (thread_.stopping()) return;
    // At least as long as the server said, and never all clients in the same moment.
    const Duration asked = std::chrono::seconds(outcome.error().retry_after);
    pause(asked + backoff_.next());
  }
}

void Upstream::pause(Duration duration) {
  const TimePoint end = services_.clock.now() + duration;
  while (!thread_.stopping() && !hurry_.exchange(false)) {
    const Duration left = end - services_.clock.now();
    if (left <= Duration::zero() || wait_for(-1, 0, waker_, left) == Wake::timeout) return;
    if (!thread_.stopping()) waker_.clear();
  }
}

Upstream::Outcome Upstream::fetch_from_any(std::size_t bytes) {
  Outcome outcome;
  bool hopeless = true;
  for (std::size_t tried = 0; tried < clients_.size(); ++tried) {
    net::HttpClient& client = *clients_[current_];
    outcome = fetch(client, bytes, true);
    if (!outcome && outcome.error().trouble == Trouble::busy && settings_.accept_drbg) {
      outcome = fetch(client, drbg_seed_bytes, false);
    }
    if (outcome) return outcome;
    const Trouble trouble = outcome.error().trouble;
    if (trouble == Trouble::stopped) return outcome;
    hopeless = hopeless && (trouble == Trouble::distrusted || trouble == Trouble::refused);
    current_ = (current_ + 1) % clients_.size();
  }
  set_state(outcome.error().trouble == Trouble::distrusted ? "failed" : "gone",
            outcome.error().message, hopeless);
  return outcome;
}

Upstream::Outcome Upstream::fetch(net::HttpClient& client, std::size_t bytes, bool full) {
  const TimePoint began = services_.clock.now();
  std::size_t filled = 0;
  const auto response = client.get(
      fmt::format("/v1/random?bytes={}&grade={}{}", bytes, full ? "full" : "drbg",
                  full ? fmt::format("&wait={}", wait) : ""),
      [&](Bytes piece) {
        const std::size_t n = std::min(piece.size(), buffer_.size() - filled);
        std::copy_n(piece.begin(), n, buffer_.view().begin() + static_cast<std::ptrdiff_t>(filled));
        filled += n;
        return true;
      });
  const MutableBytes arrived = buffer_.view().first(filled);
  if (response && response->body_bytes == bytes) {
    accept(arrived, full);
    const double took = seconds(services_.clock.now() - began);
    const std::scoped_lock lock(report_mutex_);
    bytes_ += filled;
    // Of the last few transfers: each counts a quarter.
    const double rate = took > 0 ? static_cast<double>(filled) / took : 0;
    rate_ = rate_ == 0 ? rate : rate_ + (rate - rate_) / 4;
  }
  wipe(arrived);
  if (!response) return tl::unexpected(response.error());
  if (response->body_bytes != bytes) {
    return tl::unexpected(ClientError{
        Trouble::protocol, fmt::format("{} sent {} bytes instead of {}", client.endpoint().text(),
                                       response->body_bytes, bytes)});
  }
  return {};
}

bool Upstream::passes_tests(Bytes bytes) {
  const std::scoped_lock lock(report_mutex_);
  const bool blocks_pass = block_tests_.add(bytes);
  // Below 64 bytes the statistic has no meaning.
  const bool nibbles_pass =
      bytes.size() < 64 || entropy::nibble_chi_square(bytes) <= entropy::nibble_limit;
  const auto digest = crypto::sha256({bytes});
  const bool fresh = digest != last_digest_;
  last_digest_ = digest;
  return blocks_pass && nibbles_pass && fresh;
}

void Upstream::accept(MutableBytes bytes, bool full) {
  const bool passed = passes_tests(bytes);
  // Local noise is drawn after the upstream has committed itself to its bytes.
  WipedArray<local_noise_bytes + 32> local;
  noise_.fill(local.view().first(local_noise_bytes));
  write_timestamps(std::span<std::uint8_t, 32>(local.data() + local_noise_bytes, 32));
  if (!passed) {
    services_.key.mix("rejected", bytes);
    {
      const std::scoped_lock lock(report_mutex_);
      ++alarms_;
    }
    set_state("suspect", "a transfer failed the statistical tests: mixed in, not credited", false);
    return;
  }
  if (!settings_.credit) {
    services_.key.mix("uncredited", bytes);
  } else if (full) {
    blinder_.blind(bytes, local.view());
    services_.dispenser.credit(account_, bytes, services_.clock.now());
  } else {
    services_.key.mix("seed", bytes);
    blinder_.blind(bytes, local.view());
    services_.dispenser.credit(account_, bytes.first(drbg_credit_bytes), services_.clock.now());
  }
  set_state("healthy", "", false);
}

void Upstream::set_state(const char* state, const std::string& detail, bool hopeless) {
  bool changed = false;
  {
    const std::scoped_lock lock(report_mutex_);
    changed = state_ != state || detail_ != detail;
    if (state_ != "failed" && std::string_view(state) == "failed") ++failures_;
    state_ = state;
    detail_ = detail;
    hopeless_ = hopeless;
  }
  if (changed) {
    services_.on_event(name_, detail.empty() ? state : fmt::format("{}: {}", state, detail),
                       !detail.empty());
  }
}

SourceReport Upstream::report() const {
  const std::scoped_lock lock(report_mutex_);
  return {.name = name_,
          .state = state_,
          .detail = detail_,
          .hopeless = hopeless_,
          .rate = rate_,
          .h = 8,
          .credit = settings_.credit,
          .bytes = bytes_,
          .alarms = alarms_,
          .failures = failures_,
          .blocks = block_tests_.counts(),
          .account = account_};
}

}  // namespace qanat::sources
