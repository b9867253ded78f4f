#include "node/node.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <ctime>
#include <thread>

#include "base/descriptor_limit.h"
#include "base/log.h"
#include "base/quantity.h"
#include "base/timing_noise.h"
#include "crypto/aead.h"
#include "crypto/openssl.h"
#include "net/listen.h"
#include "observe/metrics.h"
#include "observe/status.h"
#include "serve/absent.h"
#include "sources/upstream/names.h"

namespace qanat::node {

using namespace std::chrono_literals;

namespace {

// A feed keeps nothing in store: what it feeds was fetched for it, just now. As much as any outlet
// may ask for at once: a datagram of rngnet.
constexpr std::size_t feed_request_bytes = 8192;
// The longest that a stuck source may hold up the end.
constexpr Duration source_patience = 1s;
// Address blocks whose rates are watched at a time, 256 KiB.
constexpr std::size_t block_places = 16384;

std::size_t target_of(const NodeSettings& settings) {
  return settings.feed ? 0 : settings.config.reserve_bytes;
}
std::size_t max_request_of(const NodeSettings& settings) {
  return settings.feed ? feed_request_bytes
                       : static_cast<std::size_t>(settings.config.limits.request_full_bytes);
}

// The sources as they are made: one each; but with a quorum all upstreams are one, its lines.
std::vector<std::string> grouped_sources(const std::vector<std::string>& texts,
                                         std::size_t quorum) {
  if (quorum < 2) return texts;
  std::vector<std::string> groups;
  std::string upstreams;
  for (const std::string& text : texts) {
    if (sources::is_upstream(text)) {
      upstreams += (upstreams.empty() ? "" : "\n") + text;
    } else {
      groups.push_back(text);
    }
  }
  if (!upstreams.empty()) groups.push_back(upstreams);
  return groups;
}

// Does what must not be left out for want of memory: it is tried for a second. The last exception
// is let out.
template <typename Work>
auto insist(const Work& work) {
  constexpr Duration pause = 10ms;
  for (int left = 100;; --left) {
    try {
      return work();
    } catch (const std::exception&) {
      if (left == 0) throw;
    }
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace

SecretBytes gather_start_material() {
  SecretBytes material(64 + TimingNoise::local_bytes);
  crypto::random_bytes(material.view().first(64));
  TimingNoise().fill_with_times(material.view().subspan(64));
  return material;
}

Node::Node(NodeSettings settings)
    : settings_(std::move(settings)),
      state_(settings_.state_path),
      started_(clock_.now()),
      generation_(settings_.generation_path),
      commands_([this](const std::string& subject, const std::string& text, bool alarm) {
        events_.add(subject, text, alarm);
      }),
      dispenser_(target_of(settings_), max_request_of(settings_)),
      key_(gather_start_material().view()),
      book_([this](const std::string& name, const share::Terms& terms) {
        return dispenser_.open_flow(name, terms);
      }),
      clients_(state_, (book_.configure(settings_.config.clients), book_)),
      blocks_(block_places, crypto::random_seed()),
      drbg_(share::SeededDrbg::make(dispenser_, settings_.config.threads, settings_.config.reseed)),
      cookies_(cookie_file(), [this](const std::string& text,
                                     bool alarm) { events_.add("trickle", text, alarm); }),
      threads_(settings_.config.threads,
               [this](const std::string& why) { alarm("threads", "a task has ended: " + why); }),
      services_(make_services()) {
  defaults_ = {.limits = limits_of(settings_.config), .schedule = {}};
  if (settings_.feed) defaults_.schedule = settings_.feed->schedule;
  lists_ = std::make_shared<Published>(Lists());
  unused_ = lists_->unused.get_future();
  commands_.set(settings_.config.on_reseed);
}

Node::~Node() { stop(0s); }

outlets::Services Node::make_services() {
  return {.common = {.dispenser = dispenser_,
                     .drbg = drbg_->pool(),
                     .clients = book_,
                     .key = key_,
                     .blocks = blocks_,
                     .threads = threads_,
                     .clock = clock_,
                     .on_event = [this](const std::string& subject, const std::string& text,
                                        bool alarm) { events_.add(subject, text, alarm); },
                     .on_fed =
                         [this] {
                           if (settings_.on_fed) settings_.on_fed();
                         },
                     .reseed = settings_.config.reseed},
          .http = {.provenance = provenance_,
                   .identity =
                       [this] {
                         return net::ServerTls{.key_pem = identity_->key_pem.view(),
                                               .certificate_pem = identity_->certificate_pem,
                                               .client_ca = {}};
                       },
                   .status =
                       [this](const observe::Viewer& viewer) {
                         const auto document = observe::status_document(snapshot_for(viewer));
                         return boost::json::serialize(document) + "\n";
                       },
                   .metrics =
                       [this](const observe::Viewer& viewer) {
                         return observe::metrics_text(snapshot_for(viewer));
                       },
                   .ready = [this] { return drbg_->pool().ready(); },
                   .shortage = [this] { return shortage(); },
                   .trickle_port = [this] { return trickle_port_.load(); }},
          .cookies = cookies_};
}

outlets::CookieKeeper::File Node::cookie_file() {
  return {.name = state_.path() + "/trickle.key",
          .read = [this] { return state_.cookie_keys(); },
          .write = [this](Bytes text) -> Result<void> {
            if (!state_writable_) return error("the node cannot write its state directory");
            return state_.store_cookie_keys(text);
          }};
}

void Node::start() {
  auto prepared = state_.prepare();
  Result<StateLock> lock = error(prepared ? "" : prepared.error().message);
  if (prepared) lock = state_.lock();
  if (lock) {
    const MutexLock guard(state_mutex_);
    lock_ = std::move(*lock);
    state_writable_ = true;
  } else {
    events_.add("state",
                fmt::format("{}; the node runs without its state directory: it invites nobody, and "
                            "keeps nothing for its next start",
                            lock.error().message),
                true);
  }
  node_id_ = state_.node_id();
  provenance_.set_own(node_id_);
  if (settings_.feed && state_writable_) {
    if (auto directory = state_.cookie_directory()) cookie_directory_ = std::move(*directory);
  }
  if (!settings_.feed) identity_ = state_.identity();

  dispenser_.on_demand([this] { wake_sources(); });
  dispenser_.on_guarantee([this](const share::GuaranteeChange& change) {
    events_.add(*change.name,
                change.kept
                    ? fmt::format("the guarantee of {} is kept again", format_rate(change.rate))
                    : fmt::format("the guarantee of {} is suspended: the sources deliver {}",
                                  format_rate(change.rate), format_rate(change.proved)),
                !change.kept, {.client = *change.name});
  });
  std::vector<NamedSource> sources;
  if (settings_.feed) {
    std::vector<std::string> upstreams;
    for (const std::string& text : settings_.feed->upstreams) {
      if (sources::is_upstream(text)) {
        upstreams.push_back(text);
      } else {
        sources.push_back(make_source(text));
      }
    }
    if (!upstreams.empty()) {
      sources.push_back({"", sources::make_upstream(upstreams, {.quorum = settings_.feed->quorum},
                                                    source_services())});
    }
  }
  for (const std::string& text :
       grouped_sources(settings_.config.sources, settings_.config.quorum)) {
    sources.push_back(make_source(text));
  }
  book_.on_revoke([this](const std::shared_ptr<share::Client>& client) {
    const auto running = lists();
    for (const NamedOutlet& named : running->outlets) {
      named.outlet->close_of(client);
    }
  });
  std::vector<NamedOutlet> outlets = start_outlets();
  replace({sources, std::move(outlets)});
  find_trickle_port();
  warn_of(settings_.config);
  if (const std::string at = address(); !at.empty() && state_writable_) state_.remember_address(at);
  open_control_socket();
  if (!settings_.feed) drbg_->pool().start();
  for (const NamedSource& named : sources) named.source->start();
}

// All of them listen, or the node does not start. Of the default set, which nobody asked for by
// name, one that cannot is left out, and said.
std::vector<Node::NamedOutlet> Node::start_outlets() {
  std::vector<NamedOutlet> outlets;
  for (const std::string& text : settings_.config.outlets) outlets.push_back(make_outlet(text));
  std::string problems;
  std::size_t failed = 0;
  for (NamedOutlet& named : outlets) {
    try {
      named.outlet->start();
    } catch (const Failure& problem) {
      if (!settings_.config.default_outlets) throw;
      problems += fmt::format("{}{}", problems.empty() ? "" : "; ", problem.what());
      if (++failed == outlets.size()) throw Failure(problems);
      const std::string what = fmt::format(
          "{}; going on without this default outlet (name those you want with --outlet)",
          problem.what());
      events_.add(named.text, what, true);
      named.outlet = std::make_shared<serve::AbsentOutlet>(named.text, what);
    }
  }
  return outlets;
}

std::shared_ptr<const Node::Lists> Node::lists() const {
  const MutexLock lock(lists_mutex_);
  return {lists_, &lists_->lists};
}

Node::Lists Node::replace(Lists next) {
  auto published = std::make_shared<Published>(std::move(next));
  Lists old = *lists();
  // Nothing fails from here on.
  std::future<void> unused = std::exchange(unused_, published->unused.get_future());
  {
    const MutexLock lock(lists_mutex_);
    lists_.swap(published);
  }
  published.reset();
  unused.wait();
  return old;
}

void Node::open_control_socket() {
  if (!state_writable_) return;
  outlets::HttpSettings settings;
  settings.name = "control";
  settings.unix_path = state_.control_socket();
  settings.limits = settings_.config.limits;
  settings.control = [this](std::string_view method, std::string_view path, std::string_view body) {
    return control(method, path, body);
  };
  auto socket = std::make_unique<outlets::HttpOutlet>(std::move(settings), services_);
  try {
    socket->start();
  } catch (const Failure& problem) {
    events_.add("control",
                fmt::format("{}; 'qanat status' will not find this node", problem.what()), true);
    return;
  }
  control_ = std::move(socket);
}

Node::NamedSource Node::make_source(const std::string& text) {
  std::vector<std::string> group;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    group.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  if (group.size() == 1) return {text, sources::make_source(text, source_services())};
  return {text,
          sources::make_upstream(group, {.quorum = settings_.config.quorum}, source_services())};
}

sources::SourceServices Node::source_services() {
  return {
      .dispenser = dispenser_,
      .key = key_,
      .provenance = provenance_,
      .clock = clock_,
      // All draw from the sources.
      .on_event = [this](const std::string& subject, const std::string& text,
                         bool alarm) { events_.add(subject, text, alarm, {.everybody = true}); },
      .cookie_directory = cookie_directory_,
      .on_fresh_seed = [this](const std::string& why,
                              const sources::FreshSeed& seed) { return renew(why, seed); },
      .seeds = settings_.feed.has_value(),
      .origins = &origins_};
}

Node::NamedOutlet Node::make_outlet(const std::string& text) {
  return {text, outlets::plan_outlet(text, defaults_).make(services_)};
}

void Node::find_trickle_port() {
  const auto running = lists();
  std::uint16_t port = 0;
  for (const NamedOutlet& named : running->outlets) {
    if (port == 0) port = named.outlet->trickle_port();
  }
  trickle_port_ = port;
}

void Node::warn_of(const Config& config) {
  for (const std::string& warning : config_warnings(config)) {
    events_.add("configuration", warning, true);
  }
}

void Node::wake_sources() {
  const auto running = lists();
  for (const NamedSource& named : running->sources) named.source->wake();
}

bool Node::stop_sources(std::vector<NamedSource>& sources, Duration limit) {
  const TimePoint end = clock_.now() + limit;
  for (const NamedSource& named : sources) named.source->request_stop();
  bool all = true;
  for (const NamedSource& named : sources) {
    const bool joined = named.source->join(std::max(end - clock_.now(), Duration(10ms)));
    // Not its text, which may be a join string.
    if (!joined) {
      log_warning("{}: stuck in its device; leaving it behind",
                  insist([&named] { return named.source->report().name; }));
    }
    all = all && joined;
  }
  return all;
}

bool Node::stop(Duration limit) {
  bool ended = true;
  // What fails is left behind, and keeps nothing else from its end.
  const auto end_one = [&ended](const auto& work) {
    try {
      insist(work);
    } catch (const std::exception& problem) {
      log_warning("stopping: {}; leaving it behind", problem.what());
      ended = false;
    }
  };
  {
    const auto running = lists();
    for (const NamedOutlet& named : running->outlets) {
      end_one([&named] { named.outlet->drain(); });
    }
    const TimePoint end = clock_.now() + limit;
    const auto idle = [&running] {
      return std::all_of(running->outlets.begin(), running->outlets.end(),
                         [](const NamedOutlet& named) { return named.outlet->idle(); });
    };
    while (!idle() && clock_.now() < end) std::this_thread::sleep_for(5ms);
  }
  Lists old = insist([this] { return replace({}); });
  for (const NamedOutlet& named : old.outlets) {
    end_one([&named] { named.outlet->stop(); });
    ended = ended && named.outlet->idle();
  }
  if (control_) end_one([this] { control_->stop(); });
  ended = ended && (!control_ || control_->idle());
  ended = stop_sources(old.sources, source_patience) && ended;
  end_one([this] { drbg_->stop(); });
  dispenser_.drain();
  // What goes on still holds what it was given: it must stay.
  if (!ended) (void)new std::pair(std::move(old), std::move(control_));
  control_.reset();
  return ended;
}

outlets::OutletDefaults Node::defaults_of(const Config& config) const {
  outlets::OutletDefaults defaults = defaults_;
  defaults.limits = limits_of(config);
  if (defaults.limits.request_full_bytes > dispenser_.max_request_bytes()) {
    log_warning("reload: limits.full_bytes grows at the next start only");
    defaults.limits.request_full_bytes = dispenser_.max_request_bytes();
  }
  return defaults;
}

serve::Limits Node::limits_of(const Config& config) const {
  const std::size_t descriptors = descriptor_limit();
  const auto limits = serve::within_descriptors(config.limits, descriptors, config.outlets.size());
  // A part less of so large a number does not matter, and a feed has no such outlets.
  if (!settings_.feed && limits.connections < config.limits.connections / 4) {
    log_warning(
        "{} descriptors (RLIMIT_NOFILE) are enough for {} connections of each outlet, not for {} "
        "(limits.connections); raise LimitNOFILE=",
        descriptors, limits.connections, config.limits.connections);
  }
  return limits;
}

// Those that had ended for others, which did not start.
void Node::put_back(std::vector<NamedOutlet>& ended) {
  Lists again = *lists();
  for (NamedOutlet& named : ended) {
    try {
      named = make_outlet(named.text);
      named.outlet->start();
    } catch (const Failure& problem) {
      events_.add(named.text, fmt::format("does not come back: {}", problem.what()), true);
      named.outlet = std::make_shared<serve::AbsentOutlet>(named.text, problem.what());
    }
    again.outlets.push_back(named);
  }
  replace(std::move(again));
}

// Starts `made` and adds them to `running`. One whose place another has that leaves (with another
// option, say) begins when that has ended. Throws Failure, and all is as it was.
void Node::start_in_place_of(std::vector<NamedOutlet>& made,
                             const std::vector<NamedOutlet>& leaving,
                             const outlets::OutletDefaults& old_defaults, Lists& running) {
  const auto before = [&](const NamedOutlet& named) {
    const std::string place = outlets::plan_outlet(named.text).place;
    return std::find_if(leaving.begin(), leaving.end(), [&](const NamedOutlet& other) {
      return outlets::plan_outlet(other.text).place == place;
    });
  };
  // Those that disturb nobody first.
  std::stable_partition(made.begin(), made.end(),
                        [&](const NamedOutlet& named) { return before(named) == leaving.end(); });
  std::vector<NamedOutlet> ended;
  try {
    for (const NamedOutlet& named : made) {
      if (const auto other = before(named); other != leaving.end()) {
        Lists without = *lists();
        std::erase_if(without.outlets,
                      [&](const NamedOutlet& item) { return item.text == other->text; });
        replace(std::move(without));
        ended.push_back(*other);
        other->outlet->stop();
      }
      named.outlet->start();
    }
  } catch (...) {
    for (const NamedOutlet& named : made) insist([&named] { named.outlet->stop(); });
    defaults_ = old_defaults;
    insist([&] { return put_back(ended); });
    throw;
  }
  running.outlets.insert(running.outlets.end(), made.begin(), made.end());
}

void Node::reload(const Config& config) {
  if (const std::string changed = config.core_changes(settings_.config); !changed.empty()) {
    log_warning("reload: {} changed, with effect from the next start", changed);
  }
  const auto named_in = [](const std::vector<std::string>& names, const std::string& text) {
    return std::find(names.begin(), names.end(), text) != names.end();
  };
  const auto find = [](const auto& list, const std::string& text) {
    return std::find_if(list.begin(), list.end(),
                        [&](const auto& item) { return item.text == text; });
  };
  const outlets::OutletDefaults old_defaults = std::exchange(defaults_, defaults_of(config));
  const std::vector<std::string> source_texts =
      grouped_sources(config.sources, settings_.config.quorum);
  const Lists before = *lists();
  Lists next;
  std::vector<NamedSource> new_sources;
  std::vector<NamedOutlet> new_outlets;
  std::vector<NamedOutlet> leaving;
  for (const NamedOutlet& named : before.outlets) {
    // One that could not start is tried again.
    const bool stays = named_in(config.outlets, named.text) && !named.outlet->absent();
    (stays ? next.outlets : leaving).push_back(named);
  }
  try {
    for (const std::string& text : source_texts) {
      const auto known = find(before.sources, text);
      if (known == before.sources.end()) new_sources.push_back(make_source(text));
      next.sources.push_back(known == before.sources.end() ? new_sources.back() : *known);
    }
    for (const std::string& text : config.outlets) {
      if (find(next.outlets, text) == next.outlets.end()) new_outlets.push_back(make_outlet(text));
    }
    start_in_place_of(new_outlets, leaving, old_defaults, next);
  } catch (...) {
    defaults_ = old_defaults;
    throw;
  }
  // From here on nothing may fail.
  Lists old = insist([&] { return replace(next); });
  for (const NamedOutlet& named : leaving) {
    insist([&named] { named.outlet->stop(); });
    if (!named.outlet->idle()) (void)new std::shared_ptr<serve::Outlet>(named.outlet);
    insist([&] { events_.add("outlet " + named.outlet->report().name, "stopped", false); });
  }
  for (const NamedOutlet& named : new_outlets) {
    insist([&] {
      const observe::OutletReport report = named.outlet->report();
      events_.add("outlet " + report.name,
                  report.listening ? "started, " + report.detail : "started", false);
    });
  }
  for (const NamedOutlet& named : next.outlets) {
    insist([&] {
      named.outlet->reload();
      named.outlet->set_limits(outlets::plan_outlet(named.text, defaults_).limits);
    });
  }
  if (control_) insist([this] { control_->set_limits(defaults_.limits); });
  std::erase_if(old.sources,
                [&](const NamedSource& named) { return named_in(source_texts, named.text); });
  for (const NamedSource& named : old.sources) {
    insist([&] { events_.add("source " + named.source->report().name, "stopped", false); });
  }
  // The old first: two do not share a device.
  if (!stop_sources(old.sources, source_patience)) {
    (void)new std::vector<NamedSource>(std::move(old.sources));
  }
  for (const NamedSource& named : new_sources) {
    insist([&] {
      events_.add("source " + named.source->report().name, "started", false);
      named.source->start();
    });
  }
  insist([this] { find_trickle_port(); });
  insist([&] { book_.configure(config.clients); });
  commands_.set(config.on_reseed);
  settings_.config = config;
  warn_of(config);
}

void Node::alarm(const std::string& subject, const std::string& text) {
  events_.add(subject, text, true);
}

void Node::feed_now() {
  const auto running = lists();
  for (const NamedOutlet& named : running->outlets) named.outlet->feed_now();
}

void Node::retest() {
  const auto running = lists();
  for (const NamedSource& named : running->sources) named.source->retest();
}

bool Node::renew(const std::string& why, const sources::FreshSeed& seed) {
  // Nothing comes before the kernel: every microsecond, programs draw from it.
  bool taken = false;
  // What fails is tried again, and what fails for long is said: none of the rest is left out for
  // it.
  const auto do_all = [this](const auto& work) {
    try {
      insist(work);
    } catch (const std::exception& problem) {
      events_.add("node", fmt::format("not everything is seeded anew: {}", problem.what()), true);
    }
  };
  {
    const auto running = lists();
    for (const NamedOutlet& named : running->outlets) {
      // Each byte once: the first kernel has it.
      do_all([&] {
        taken =
            named.outlet->stir(taken ? Bytes() : seed.bytes, taken ? 0 : seed.credited) || taken;
      });
    }
  }
  const std::uint64_t generation = generation_.advance();
  do_all([&] {
    if (taken) dispenser_.passed(seed.account, seed.credited, clock_.now());
  });
  dispenser_.renew();
  do_all([] { crypto::reseed_openssl(); });
  do_all([this] { key_.mix("renewal", gather_start_material().view()); });
  do_all([this] { drbg_->pool().renew(crypto::random_bytes); });
  {
    const auto running = lists();
    for (const NamedOutlet& named : running->outlets) {
      do_all([&named] { named.outlet->renew(); });
    }
    for (const NamedSource& named : running->sources) {
      do_all([&named] { named.source->retest(); });
    }
  }
  do_all([this] { feed_now(); });
  do_all([&] { events_.add("node", why + ": everything is seeded anew", false); });
  do_all([&] { commands_.run(why, generation); });
  return taken;
}

bool Node::at_rest() const {
  const auto running = lists();
  return std::all_of(running->sources.begin(), running->sources.end(),
                     [](const NamedSource& named) { return named.source->at_rest(); });
}

std::string Node::address() const {
  const auto running = lists();
  for (const NamedOutlet& named : running->outlets) {
    auto at = named.outlet->invites_to();
    if (!at) continue;
    if (at->host == "0.0.0.0" || at->host == "::" || at->host == "*")
      at->host = net::reachable_host();
    return at->text();
  }
  return "";
}

}  // namespace qanat::node
