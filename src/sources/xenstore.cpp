#include "sources/xenstore.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "crypto/aead.h"
#include "crypto/hash.h"
#include "sources/type.h"
#include "spec/options.h"

namespace qanat::sources {

namespace xenstore = wire::xenstore;
using entropy::SourceState;
using namespace std::chrono_literals;

namespace {

constexpr Duration xenstore_backoff_base = 200ms;
constexpr Duration xenstore_backoff_cap = 10s;
constexpr Duration least_xenstore_pause = 50ms;
// As a rule the host answers no guest more often than once a minute.
constexpr Duration least_question_gap = 60s;
constexpr Duration longest_question_gap = 120s;
// Who else is at it has a watch's event follow: nothing is missed.
constexpr int most_looks = 4;

constexpr std::string_view usual_seed_path = "data/random-seed";
constexpr std::string_view seed_token = "seed";
constexpr std::string_view end_of_text{"\0", 1};

constexpr const char* seed_twice = "the host wrote the same seed twice: mixed in, not credited";

}  // namespace

Xenstore::Xenstore(XenstoreSettings settings, const SourceServices& services)
    : settings_(std::move(settings)),
      services_(services),
      account_(services.dispenser.open_source(settings_.name)),
      backoff_(xenstore_backoff_base, xenstore_backoff_cap, crypto::random_seed(),
               least_xenstore_pause),
      question_gap_(longest_question_gap, longest_question_gap, crypto::random_seed(),
                    least_question_gap),
      seed_(2 * xenstore::most_seed),
      relay_(services.dispenser, services.key, account_,
             {.credit = settings_.credit, .own_use = services.seeds}),
      state_(settings_.name, account_, services_),
      link_(
          waker_, [this] { return thread_.stopping(); }, services_.clock,
          [this](const xenstore::Event&) { changed_ = true; }) {}

Xenstore::~Xenstore() { request_stop(); }

void Xenstore::start() {
  thread_.start([this] { run(); },
                [this](const std::string& why) {
                  link_.close();
                  state_.set(SourceState::failed, why);
                },
                waker_, services_.clock);
}

void Xenstore::request_stop() {
  thread_.request_stop();
  waker_.wake();
}

void Xenstore::renew() {
  renew_ = true;
  waker_.wake();
}

void Xenstore::run() {
  while (!thread_.stopping()) {
    auto talked = link_.open(settings_.socket);
    if (talked) talked = converse();
    link_.close();
    if (thread_.stopping()) return;
    if (!talked) state_.set(SourceState::gone, talked.error().message);
    thread_.pause(backoff_.next(), waker_, services_.clock,
                  [this] { return renew_.exchange(false); });
  }
}

Result<void> Xenstore::converse() {
  const auto watched =
      link_.request(Kind::watch, {settings_.path, end_of_text, seed_token, end_of_text});
  if (!watched) return tl::unexpected(watched.error());
  if (!watched->done()) {
    return error(
        fmt::format("xenstored refuses a watch of {}: {}", settings_.path, watched->refused));
  }
  state_.set(first_ ? SourceState::start_up : SourceState::healthy);
  changed_ = true;
  while (!thread_.stopping()) {
    // A copy would draw the same gaps.
    if (renew_.exchange(false)) {
      question_gap_ = Backoff(longest_question_gap, longest_question_gap, crypto::random_seed(),
                              least_question_gap);
    }
    if (std::exchange(changed_, false)) {
      if (auto looked = look(); !looked) return looked;
      continue;
    }
    const TimePoint now = services_.clock.now();
    const bool wanted = taken_ && wants();
    if (wanted && now >= next_question_) {
      if (auto asked = ask(); !asked) return asked;
      continue;
    }
    const auto rest =
        wanted ? std::optional<Duration>(next_question_ - now) : std::optional<Duration>();
    if (auto waited = link_.wait(rest); !waited) return waited;
  }
  return {};
}

bool Xenstore::wants() const {
  return services_.dispenser.demand() && services_.dispenser.wanted() > 0;
}

// A seed that is taken away leaves an empty text; none at all asks for another. In one step, too:
// one that the host has written by now is not to be removed unread.
Result<void> Xenstore::ask() {
  next_question_ = services_.clock.now() + question_gap_.next();
  const auto begun = link_.begin();
  if (!begun) return tl::unexpected(begun.error());
  if (!begun->done()) return {};
  const auto value = link_.request(Kind::read, {settings_.path, end_of_text});
  if (!value) return tl::unexpected(value.error());
  const bool empty = value->done() && value->payload.empty();
  if (empty) {
    const auto removed = link_.request(Kind::remove, {settings_.path, end_of_text});
    if (!removed) return tl::unexpected(removed.error());
  }
  const auto ended = link_.end(empty);
  return ended ? Result<void>{} : tl::unexpected(ended.error());
}

Result<void> Xenstore::look() {
  Found found;
  bool found_all = false;
  for (int looks = 0; looks < most_looks && !found_all; ++looks) {
    wipe(seed_.view());
    const auto tried = find(found);
    if (!tried) return tl::unexpected(tried.error());
    found_all = *tried;
  }
  if (found_all) use(found);
  wipe(seed_.view());
  return {};
}

// In one step, so that no seed is taken away that the host has written since it was read. False
// when somebody else was at it.
Result<bool> Xenstore::find(Found& found) {
  found = {};
  found.epoch = services_.dispenser.epoch();
  const auto begun = link_.begin();
  if (!begun) return tl::unexpected(begun.error());
  if (!begun->done()) {
    return error(fmt::format("xenstored refuses a transaction: {}", begun->refused));
  }
  if (auto sought = find_seed(found); !sought) return tl::unexpected(sought.error());
  const auto ended = link_.end(found.taken);
  if (!ended) return tl::unexpected(ended.error());
  return ended->done();
}

Result<void> Xenstore::find_seed(Found& found) {
  const auto value = link_.request(Kind::read, {settings_.path, end_of_text});
  if (!value) return tl::unexpected(value.error());
  found.refused = value->refused;
  found.size = xenstore::read_seed(as_text(value->payload), seed_.view()).value_or(0);
  found.text = found.size == 0 && !value->payload.empty();
  if (found.size == 0) return {};
  const auto beside = text_at(xenstore::generation_path(settings_.path));
  if (!beside) return tl::unexpected(beside.error());
  const auto domain = text_at("domid");
  if (!domain) return tl::unexpected(domain.error());
  const auto generation = xenstore::read_generation(*beside);
  found.full = generation.full;
  found.machine = fmt::format("{} {}", generation.id, *domain);
  const auto written = link_.request(Kind::write, {settings_.path, end_of_text});
  if (!written) return tl::unexpected(written.error());
  found.taken = written->done();
  return {};
}

// Empty where there is none.
Result<std::string> Xenstore::text_at(const std::string& path) {
  const auto value = link_.request(Kind::read, {path, end_of_text});
  if (!value) return tl::unexpected(value.error());
  return std::string(as_text(value->payload));
}

void Xenstore::use(const Found& found) {
  if (found.refused == "EACCES") {
    state_.set(SourceState::gone,
               fmt::format("the host does not let this domain read {}", settings_.path));
  }
  if (found.text) {
    ++no_seed_;
    state_.set(SourceState::suspect,
               fmt::format("{} holds no seed, which is {} to {} hex digits", settings_.path,
                           2 * xenstore::least_seed, 2 * xenstore::most_seed));
  }
  if (found.size == 0) return;
  backoff_.reset();
  const bool same = replay_.came_before(seed_.view().first(found.size));
  // Not all events are of a new seed, where we may not take it away.
  const bool was_taken = std::exchange(taken_, found.taken);
  if (same && !was_taken) return;
  state_.count_bytes(found.size);
  if (same) state_.count_alarm();
  const bool first = std::exchange(first_, false);
  // One that was there before us, and still will be when we start again, would count each time.
  const bool once = found.taken || !first || settings_.insist;
  const std::size_t worth = settings_.credit && once && !same
                                ? entropy::worth_to_this_machine(found.size, found.full)
                                : 0;
  const bool copy = std::exchange(machine_, found.machine) != found.machine;
  if (!first && !copy) {
    credit(found, worth);
  } else {
    // It belongs to the renewal that it brings about, and to no later one.
    Found brought = found;
    brought.epoch = services_.dispenser.epoch() + 1;
    const bool given =
        services_.on_fresh_seed(settings_.name + " brings a fresh seed: this machine may be a copy",
                                {account_, seed_.view().first(found.size), worth});
    if (!given) {
      credit(brought, worth);
    } else {
      state_.set(SourceState::healthy);
    }
  }
  if (same) state_.set(SourceState::suspect, seed_twice);
}

void Xenstore::credit(const Found& found, std::size_t worth) {
  const MutableBytes seed = seed_.view().first(found.size);
  // Nobody waits for one that comes by the clock: better mixed in than discarded.
  if (worth == 0 || services_.dispenser.wanted() == 0) {
    services_.key.mix("seed", seed);
    state_.set(SourceState::healthy);
    return;
  }
  // Local state last: the host has committed itself.
  WipedArray<TimingNoise::local_bytes> local;
  noise_.fill_with_times(local.view());
  const auto outcome =
      relay_.credit(seed, found.full, local.view(), found.epoch, services_.clock.now());
  if (outcome == entropy::Relay::Outcome::outdated) {
    state_.count_outdated(found.size);
  } else {
    state_.set(SourceState::healthy);
  }
}

observe::SourceReport Xenstore::report() const {
  observe::SourceReport report = state_.report();
  report.credit = settings_.credit;
  report.dropped["no_seed"] = no_seed_;
  return report;
}

namespace {

// What the host says: it could read the guest's memory anyway.
SourcePlan read_xenstore(const spec::Spec& spec, entropy::Claim usual) {
  // What comes is conditioned already: no claim can be made of it but whether it counts.
  const entropy::Claim claim = spec::claim_of(spec, usual);
  XenstoreSettings settings{
      .name = spec.text,
      .path = std::string(spec.target.empty() ? usual_seed_path : spec.target),
      .socket = spec.option("socket").value_or(""),
      .credit = claim.credit,
      .insist = claim.credit && spec.option("credit").has_value()};
  if (!xenstore::is_path(settings.path)) {
    throw Failure(fmt::format("{}: {} is no path in xenstore; write it like {}", spec.text,
                              settings.path, usual_seed_path));
  }
  return {.name = spec.text,
          .claim = {usual.h, settings.credit},
          .run = [settings = std::move(settings)](const SourceServices& services) {
            return std::make_unique<Xenstore>(settings, services);
          }};
}

Availability find_xenstore() {
  const std::string path = peers::find_xenstored();
  return path.empty() ? Availability{false, "no xenstored: this is not a Xen domain"}
                      : by_path(path.c_str());
}

}  // namespace

extern const SourceType xenstore_type{
    .name = "xenstore",
    .target = "[PATH]",
    .usual = {8, true},
    .options = "socket",
    .summary = "seeds of the host's, in a Xen guest (data/random-seed)",
    .read = read_xenstore,
    .available = find_xenstore,
    .host_seed = true,
};

}  // namespace qanat::sources
