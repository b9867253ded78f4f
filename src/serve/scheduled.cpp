#include "serve/scheduled.h"

#include <fmt/core.h>

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <ctime>

#include "base/quantity.h"
#include "crypto/aead.h"
#include "net/io_threads.h"

namespace qanat::serve {

namespace asio = boost::asio;

namespace {

// After a failure there is one even where deliveries follow each other at once.
constexpr Duration least_pause = std::chrono::milliseconds(500);
// Who is in line is woken; but the call that would do so may have failed.
constexpr Duration line_patience = std::chrono::seconds(10);
// Who waits for a delivery is told of its end; but the call that would do so may have failed.
constexpr Duration aside_look = std::chrono::seconds(1);
// What failed is not left so until the next time, which may be tomorrow.
constexpr Duration first_retry = std::chrono::seconds(1);
constexpr Duration last_retry = std::chrono::minutes(5);

}  // namespace

ScheduledOutlet::ScheduledOutlet(std::string name, Schedule schedule,
                                 const OutletServices& services)
    : name_(std::move(name)),
      schedule_(schedule),
      services_(services),
      flow_(services.dispenser.open_flow(name_, schedule.terms)),
      timer_(std::make_shared<asio::steady_timer>(services.threads.context(0))),
      random_(crypto::random_seed()),
      retry_(first_retry, last_retry, crypto::random_seed(), first_retry),
      loop_(services.threads.context(0)) {}

ScheduledOutlet::~ScheduledOutlet() { stop(); }

void ScheduledOutlet::start() {
  prepare();
  started_ = true;
  services_.threads.run_on(0, [this] {
    loop_.start(
        "feeding", [this] { return run(); }, [this](const std::string& why) { failed(why); });
  });
}

void ScheduledOutlet::drain() {
  stop_waker_.wake();
  services_.threads.run_on(0, [this] {
    stopping_ = true;
    loop_.stop();
    timer_->cancel();
  });
}

void ScheduledOutlet::stop() {
  if (!started_) return;
  const bool ended = await_rest(services_.clock, [this] {
    // At least once: what feed_now posted before is then done with.
    drain();
    return !loop_.running();
  });
  if (!ended) services_.on_event(name_, "a delivery does not end; left behind", EventKind::warning);
}

void ScheduledOutlet::feed_now() {
  asio::post(services_.threads.context(0), [this] {
    // A copy of this machine would feed at the same times.
    random_.seed(crypto::random_seed());
    now_ = true;
    timer_->cancel();
  });
}

Duration ScheduledOutlet::next_gap() {
  const auto whole = schedule_.every.count();
  return Duration(
      std::uniform_int_distribution<Duration::rep>(whole / 10 * 9, whole / 10 * 11)(random_));
}

asio::awaitable<void> ScheduledOutlet::run() {
  boost::system::error_code ignored;
  while (!stopping_) {
    now_ = false;
    const bool delivered = co_await deliver_once();
    if (delivered) services_.on_fed();
    if (schedule_.every == Duration::zero() && delivered) {
      // Others of the thread have their turn.
      co_await asio::post(services_.threads.context(0), asio::use_awaitable);
      continue;
    }
    // A cancel that was posted for the delivery that is over may come in here: it ends no gap.
    if (delivered) retry_.reset();
    const Duration gap = delivered ? next_gap() : std::min(next_gap(), retry_.next());
    const TimePoint due = services_.clock.now() + std::max(gap, least_pause);
    set_next(due);
    while (!stopping_ && !now_ && services_.clock.now() < due) {
      timer_->expires_at(due);
      co_await timer_->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    set_next(std::nullopt);
  }
}

void ScheduledOutlet::set_next(std::optional<TimePoint> due) {
  const MutexLock lock(report_mutex_);
  next_ = due;
}

asio::awaitable<bool> ScheduledOutlet::deliver_once() {
  const TimePoint due = services_.clock.now();
  SecretBytes bytes(schedule_.bytes);
  Delivery delivery = co_await draw(bytes.view());
  if (stopping_) co_return false;
  const bool delivered = co_await deliver_aside(bytes);
  if (!delivered) co_return false;
  const TimePoint now = services_.clock.now();
  delivery.arrived(now);
  latency_.add(now - due);
  ++counters_.deliveries;
  co_return true;
}

// All or nothing: bytes are collected only once all of them are there. Empty at a stop.
asio::awaitable<Delivery> ScheduledOutlet::draw(MutableBytes out) {
  boost::system::error_code ignored;
  if (schedule_.grade == spec::Grade::drbg) {
    while (!stopping_ && !services_.drbg.generate(0, out, services_.clock.now())) {
      // It has no seed yet.
      timer_->expires_after(seed_pause);
      co_await timer_->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    co_return Delivery::of_drbg(out.size(), counters_);
  }
  share::Ticket place = services_.dispenser.request(
      flow_.id(), out.size(), services_.clock.now(),
      [timer = timer_] { asio::post(timer->get_executor(), [timer] { timer->cancel(); }); });
  in_line_ = true;
  while (!place.ready() && !stopping_) {
    timer_->expires_after(line_patience);
    co_await timer_->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  in_line_ = false;
  if (stopping_) co_return Delivery();
  co_return Delivery(place.collect(out), out.size(), counters_);
}

// Takes them; whether they arrived. What both threads use is neither's alone: this coroutine may be
// gone before the delivery is over.
asio::awaitable<bool> ScheduledOutlet::deliver_aside(SecretBytes& random) {
  struct Attempt {
    SecretBytes random;
    Result<void> result;
    std::exception_ptr failure;
    std::atomic<bool> over{false};
  };
  const auto attempt = std::make_shared<Attempt>();
  attempt->random = std::move(random);
  boost::system::error_code ignored;
  while (aside_.busy()) {
    timer_->expires_after(aside_look);
    co_await timer_->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  aside_.begin([this, attempt, timer = timer_] {
    try {
      attempt->result = deliver(attempt->random.view(), stop_waker_);
    } catch (...) {
      attempt->failure = std::current_exception();
    }
    attempt->over = true;
    try {
      asio::post(timer->get_executor(), [timer] { timer->cancel(); });
    } catch (const std::bad_alloc&) {
      return;  // it looks by itself
    }
  });
  while (!attempt->over) {
    timer_->expires_after(aside_look);
    co_await timer_->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  if (attempt->failure) std::rethrow_exception(attempt->failure);
  co_return settle(attempt->result, schedule_.bytes);
}

// Counts what came of a delivery; true when it arrived.
bool ScheduledOutlet::settle(const Result<void>& delivered, std::size_t bytes) {
  bool news = false;
  {
    const MutexLock lock(report_mutex_);
    const std::string problem = delivered ? "" : delivered.error().message;
    news = problem != problem_ || (delivered && last_ == TimePoint{});
    problem_ = problem;
    if (delivered) {
      last_ = services_.clock.now();
    } else {
      ++failed_;
    }
  }
  // The same trouble every second is told once; so is that it works.
  if (!news) return delivered.has_value();
  if (!delivered) {
    services_.on_event(name_, delivered.error().message, EventKind::warning);
    return false;
  }
  const auto credited = credited_bits();
  services_.on_event(
      name_,
      fmt::format("{} bytes{}", bytes,
                  credited ? fmt::format(", credited {} bits", *credited) : std::string()),
      EventKind::note);
  return delivered.has_value();
}

// A run ended by an exception; there is another.
void ScheduledOutlet::failed(const std::string& why) {
  {
    const MutexLock lock(report_mutex_);
    problem_ = why;
    ++failed_;
  }
  services_.on_event(name_, why, EventKind::warning);
}

bool ScheduledOutlet::delivered_beside(const Result<void>& delivered, std::size_t bytes) {
  // What counts nothing feeds nobody.
  if (bytes == 0) return delivered.has_value();
  const bool arrived = settle(delivered, bytes);
  if (arrived) {
    count(counters_, nullptr, spec::Grade::full, bytes, services_.clock.now());
    ++counters_.deliveries;
    services_.on_fed();
  }
  return arrived;
}

void ScheduledOutlet::set_note(std::string note) {
  const MutexLock lock(report_mutex_);
  note_ = std::move(note);
}

observe::OutletReport ScheduledOutlet::report() const {
  const MutexLock lock(report_mutex_);
  observe::OutletReport report{.name = name_, .detail = note_, .problem = problem_, .refused = {}};
  report.deliveries = counters_.deliveries;
  report.full_bytes = counters_.full_bytes;
  report.drbg_bytes = counters_.drbg_bytes;
  report.refused["failed"] = failed_;
  report.latency = latency_.counts();
  report.waiting = in_line_ ? 1 : 0;
  // By the clock on the wall, as people ask for it; both move with it where that is set.
  const TimePoint now = services_.clock.now();
  const std::int64_t wall = std::time(nullptr);
  const auto at = [&](TimePoint time) {
    return wall + std::chrono::duration_cast<std::chrono::seconds>(time - now).count();
  };
  report.schedule = {.last = last_ == TimePoint{} ? 0 : at(last_),
                     .next = next_ ? at(*next_) : 0,
                     .every = std::chrono::ceil<std::chrono::seconds>(schedule_.every).count(),
                     .credited_bits = credited_bits()};
  const std::string when =
      counters_.deliveries == 0
          ? "not fed yet"
          : fmt::format("last {} ago", format_duration(services_.clock.now() - last_));
  report.detail = note_.empty() ? when : note_ + "; " + when;
  return report;
}

}  // namespace qanat::serve
