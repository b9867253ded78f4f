#include "outlets/xenstore.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "base/quantity.h"
#include "base/work_loop.h"
#include "crypto/aead.h"
#include "outlets/type.h"
#include "serve/options.h"
#include "spec/options.h"

namespace qanat::outlets {

namespace xenstore = wire::xenstore;
using namespace std::chrono_literals;

namespace {

constexpr Duration first_reconnect = 500ms;
constexpr Duration longest_reconnect = 30s;
// Between two seeds of one guest, however often it asks, and after a refusal: this part of the
// usual time between them.
constexpr int least_gap_part = 10;
constexpr Duration least_seed_gap = 1s;

constexpr std::string_view usual_rest = "data/random-seed";
constexpr std::string_view come = "@introduceDomain";
constexpr std::string_view left = "@releaseDomain";
constexpr std::string_view string_end{"\0", 1};

}  // namespace

XenstoreSeeds::XenstoreSeeds(XenstoreSeedsSettings settings, const serve::OutletServices& services)
    : settings_(std::move(settings)),
      services_(services),
      least_gap_(std::max(least_seed_gap, settings_.schedule.every / least_gap_part)),
      draw_(settings_.name, settings_.schedule.grade, settings_.schedule.terms, services,
            settings_.schedule.bytes),
      backoff_(first_reconnect, longest_reconnect, crypto::random_seed(), first_reconnect / 2),
      link_(
          draw_.waker(), [this] { return draw_.stopped(); }, services.clock,
          [this](const xenstore::Event& event) { note(event); }),
      tree_(link_, settings_.path, settings_.schedule.grade),
      random_(crypto::random_seed()) {}

XenstoreSeeds::~XenstoreSeeds() { stop(); }

void XenstoreSeeds::start() {
  if (auto opened = link_.open(settings_.socket); !opened) {
    throw Failure(fmt::format("{}: {}", settings_.name, opened.error().message));
  }
  draw_.start();
  thread_ = std::thread([this] {
    run_work([this] { run(); },
             [this](const std::string& why) {
               link_.close();
               tell(why);
             },
             [this](Duration gap) {
               rest(gap);
               return !draw_.stopped();
             });
  });
}

void XenstoreSeeds::stop() {
  if (!thread_.joinable()) return;
  draw_.stop();
  thread_.join();
}

void XenstoreSeeds::renew() {
  draw_.renew();
  renewed_ = true;
  feed_now();
}

void XenstoreSeeds::feed_now() {
  all_due_ = true;
  draw_.waker().wake();
}

void XenstoreSeeds::run() {
  while (!draw_.stopped()) {
    Result<void> served;
    if (!link_) served = link_.open(settings_.socket);
    if (served) served = serve();
    link_.close();
    draw_.forgo();
    in_line_ = false;
    if (draw_.stopped()) return;
    if (!served) tell(served.error().message);
    rest(backoff_.next());
  }
}

// Until the connection is lost, or we are stopped. What another xenstored knows of us, and what it
// holds, nobody can tell: everything begins again.
Result<void> XenstoreSeeds::serve() {
  guests_.clear();
  guest_count_ = 0;
  come_or_gone_ = true;
  for (const std::string_view what : {come, left}) {
    if (auto watched = watch(std::string(what), std::string(what)); !watched) return watched;
  }
  while (!draw_.stopped()) {
    if (renewed_.exchange(false)) begin_anew();
    if (all_due_.exchange(false)) {
      for (auto& [domain, guest] : guests_) guest.due = TimePoint{};
    }
    if (std::exchange(come_or_gone_, false)) {
      if (auto taken = take_stock(); !taken) return taken;
      backoff_.reset();
      tell("");
    }
    const auto limit = turn();
    if (!limit) return tl::unexpected(limit.error());
    if (*limit == Duration::zero()) continue;
    if (auto waited = link_.wait(*limit); !waited) return waited;
  }
  return {};
}

Result<void> XenstoreSeeds::watch(const std::string& path, const std::string& token) {
  const auto watched = link_.request(Kind::watch, {path, string_end, token, string_end});
  if (!watched) return tl::unexpected(watched.error());
  if (watched->done()) return {};
  return error(fmt::format("xenstored refuses a watch of {}: {}{}", path, watched->refused,
                           watched->refused == "EACCES" ? "; seeds are for the host's domain to "
                                                          "write (dom0)"
                                                        : ""));
}

void XenstoreSeeds::note(const xenstore::Event& event) {
  if (event.token == come || event.token == left) {
    come_or_gone_ = true;
    return;
  }
  const auto domain = parse_number<unsigned>(event.token);
  const auto guest = domain ? guests_.find(*domain) : guests_.end();
  if (guest != guests_.end()) guest->second.touched = true;
}

// Who is there now.
Result<void> XenstoreSeeds::take_stock() {
  std::vector<std::string> names;
  const auto listed = link_.list(std::string(xenstore::domains), names);
  if (!listed) return tl::unexpected(listed.error());
  if (!listed->done() && listed->refused != "ENOENT") {
    return error(fmt::format("xenstored does not list {}: {}", xenstore::domains, listed->refused));
  }
  std::set<unsigned> there;
  for (const std::string& name : names) {
    const unsigned domain = parse_number<unsigned>(name).value_or(0);
    const bool ours = settings_.domain == 0 || settings_.domain == domain;
    if (domain > 0 && domain <= xenstore::most_domain && ours) there.insert(domain);
  }
  for (auto guest = guests_.begin(); guest != guests_.end();) {
    if (there.erase(guest->first) > 0) {
      ++guest;
      continue;
    }
    auto next = remove(guest);
    if (!next) return tl::unexpected(next.error());
    guest = *next;
  }
  for (const unsigned domain : there) {
    if (auto added = add(domain); !added) return added;
  }
  return {};
}

Result<void> XenstoreSeeds::add(unsigned domain) {
  guests_.emplace(domain, Guest{});
  guest_count_ = guests_.size();
  told_fed_ = false;
  const auto watched = link_.request(
      Kind::watch, {tree_.path_of(domain), string_end, std::to_string(domain), string_end});
  if (!watched) return tl::unexpected(watched.error());
  // It has its seeds by the clock all the same.
  if (!watched->done()) refused(watched->refused);
  return {};
}

// The next one.
Result<XenstoreSeeds::Guests::iterator> XenstoreSeeds::remove(Guests::iterator guest) {
  const unsigned domain = guest->first;
  const auto next = guests_.erase(guest);
  guest_count_ = guests_.size();
  const auto done = link_.request(
      Kind::unwatch, {tree_.path_of(domain), string_end, std::to_string(domain), string_end});
  if (!done) return tl::unexpected(done.error());
  return next;
}

// Something for one guest; how long there is nothing to do then.
Result<std::optional<Duration>> XenstoreSeeds::turn() {
  const TimePoint now = services_.clock.now();
  const auto first =
      std::min_element(guests_.begin(), guests_.end(),
                       [](const auto& a, const auto& b) { return a.second.due < b.second.due; });
  TimePoint next = TimePoint::max();
  if (first != guests_.end()) next = first->second.due;
  in_line_ = next <= now;
  if (next <= now) {
    draw_.ask();
    if (draw_.there()) {
      if (auto delivered = deliver(first->first, first->second); !delivered) {
        return tl::unexpected(delivered.error());
      }
      return Duration::zero();
    }
    next = now + draw_.patience();
  } else if (!std::exchange(told_fed_, true)) {
    services_.on_fed();
  }
  for (auto& [domain, guest] : guests_) {
    if (!guest.touched) continue;
    if (guest.not_before <= now) {
      if (auto looked = look_at(domain, guest); !looked) return tl::unexpected(looked.error());
      return Duration::zero();
    }
    next = std::min(next, guest.not_before);
  }
  if (next == TimePoint::max()) return std::nullopt;
  return std::max<Duration>(next - services_.clock.now(), 1ms);
}

// A guest that has removed its seed asks for another.
Result<void> XenstoreSeeds::look_at(unsigned domain, Guest& guest) {
  guest.touched = false;
  const auto there = link_.request(Kind::directory, {tree_.path_of(domain), string_end});
  if (!there) return tl::unexpected(there.error());
  if (there->refused == "ENOENT") guest.due = TimePoint{};
  return {};
}

Result<void> XenstoreSeeds::deliver(unsigned domain, Guest& guest) {
  serve::ThreadDraw::Piece piece = draw_.take();
  const auto given = tree_.give(domain, piece.bytes());
  if (!given) return tl::unexpected(given.error());
  const TimePoint now = services_.clock.now();
  guest.not_before = now + least_gap_;
  if (given->empty()) {
    piece.arrived(piece.bytes().size());
    guest.due = now + next_gap();
    const MutexLock lock(mutex_);
    last_ = now;
    return {};
  }
  guest.due = guest.not_before;
  // An event tells of its end, too; but it may be a tree that somebody has removed by hand.
  if (*given == XenstoreTree::gone) come_or_gone_ = true;
  refused(*given);
  return {};
}

Duration XenstoreSeeds::next_gap() {
  const auto whole = settings_.schedule.every.count();
  return Duration(
      std::uniform_int_distribution<Duration::rep>(whole / 10 * 9, whole / 10 * 11)(random_));
}

// A copy of this machine has the same numbers, and the bytes that are set aside for us.
void XenstoreSeeds::begin_anew() {
  random_.seed(crypto::random_seed());
  if (draw_.there()) (void)draw_.take();
}

void XenstoreSeeds::refused(std::string_view reason) {
  const MutexLock lock(mutex_);
  ++refused_[std::string(reason)];
}

void XenstoreSeeds::tell(const std::string& problem) {
  bool news = false;
  {
    const MutexLock lock(mutex_);
    news = problem_ != problem;
    problem_ = problem;
  }
  if (!news) return;
  services_.on_event(settings_.name, problem.empty() ? "xenstored is there again" : problem,
                     warning_if(!problem.empty()));
}

void XenstoreSeeds::rest(Duration pause) {
  const TimePoint due = services_.clock.now() + pause;
  while (!draw_.stopped() && services_.clock.now() < due) {
    (void)wait_for(-1, 0, draw_.waker(), due - services_.clock.now());
    if (!draw_.stopped()) draw_.waker().clear();
  }
}

observe::OutletReport XenstoreSeeds::report() const {
  observe::OutletReport report{.name = settings_.name, .detail = {}, .problem = {}, .refused = {}};
  report.guests = true;
  report.connections = guest_count_;
  report.waiting = in_line_ ? 1 : 0;
  draw_.report(report);
  const MutexLock lock(mutex_);
  report.problem = problem_;
  report.refused = refused_;
  report.refused["undelivered_bytes"] = draw_.counters().undelivered;
  report.detail = fmt::format("{} guests, ", guest_count_.load());
  report.detail +=
      last_ == TimePoint{}
          ? "no seed yet"
          : fmt::format("the last seed {} ago", format_duration(services_.clock.now() - last_));
  return report;
}

namespace {

constexpr Duration usual_every = 10min;
constexpr std::size_t usual_bytes = 16;

// "data/random-seed" or "/local/domain/*/data/random-seed": each guest's; with a number in place of
// the star: its alone.
void read_place(const spec::Spec& spec, XenstoreSeedsSettings& settings) {
  std::string_view path = spec.target.empty() ? usual_rest : std::string_view(spec.target);
  bool right = xenstore::is_path(path, true);
  if (right && path.front() == '/') {
    const std::string home = std::string(xenstore::domains) + "/";
    right = path.starts_with(home);
    path.remove_prefix(right ? home.size() : 0);
    const auto slash = path.find('/');
    right = right && slash != std::string_view::npos;
    const std::string_view whose = path.substr(0, slash);
    path.remove_prefix(right ? slash + 1 : 0);
    settings.domain = parse_number<unsigned>(whose).value_or(0);
    const bool one = settings.domain > 0 && settings.domain <= xenstore::most_domain;
    right = right && (whose == "*" || one);
  }
  settings.path = std::string(path);
  if (!right || !xenstore::is_path(settings.path)) {
    throw Failure(
        fmt::format("{}: write xenstore:{} for each guest, or xenstore:{}/5/{} for one alone",
                    spec.text, usual_rest, xenstore::domains, usual_rest));
  }
}

OutletPlan read_xenstore(const spec::Spec& spec, const OutletDefaults& defaults) {
  XenstoreSeedsSettings settings;
  settings.name = spec.text;
  read_place(spec, settings);
  settings.socket = spec.option("socket").value_or("");
  settings.schedule.terms = serve::terms_of(spec);
  settings.schedule.every = spec::duration_of(spec, "every", usual_every, 1s);
  settings.schedule.bytes =
      spec::size_of(spec, "bytes", usual_bytes, xenstore::least_seed, xenstore::most_seed);
  settings.schedule.grade = spec::grade_of(spec, spec::Grade::full);
  const std::string whose =
      settings.domain == 0 ? "each guest" : fmt::format("guest {}", settings.domain);
  return {.place = fmt::format("xenstore {}{} of {}", settings.socket, settings.path, whose),
          .note = fmt::format("{}, {}", whose, serve::text_of(settings.schedule)),
          .limits = defaults.limits,
          .make =
              [settings](const Services& services) {
                return std::make_unique<XenstoreSeeds>(settings, services.common);
              },
          .look =
              [settings](spec::Obstacles& found) {
                const Waker waker;
                const Clock clock;
                peers::XenstoreLink link(
                    waker, [] { return false; }, clock, [](const xenstore::Event&) {});
                if (auto opened = link.open(settings.socket); !opened) {
                  found.push_back({fmt::format("{}: {}", settings.name, opened.error().message),
                                   settings.socket.empty() ? "" : "socket"});
                }
              }};
}

}  // namespace

extern const OutletType xenstore_type{
    .name = "xenstore",
    .options = "every bytes grade socket",
    .summary =
        "seeds for Xen's guests, in dom0: data/random-seed of each (docs/virtual-machines.md)",
    .read = read_xenstore,
};

}  // namespace qanat::outlets
