#include "node/node.h"

#include <fmt/core.h>

#include <algorithm>
#include <ctime>
#include <thread>

#include "base/log.h"
#include "base/quantity.h"
#include "crypto/aead.h"
#include "net/listen.h"
#include "node/insist.h"
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
// Another for each start: by it a follower of events knows that the node is another run.
std::uint64_t start_number() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                        std::chrono::system_clock::now().time_since_epoch())
                                        .count());
}

std::size_t max_request_of(const NodeSettings& settings) {
  return settings.feed ? feed_request_bytes
                       : static_cast<std::size_t>(settings.config.limits.request_full_bytes);
}

}  // namespace

Node::Node(NodeSettings settings)
    : settings_(std::move(settings)),
      state_(settings_.state_path),
      started_(clock_.now()),
      events_(start_number()),
      generation_(settings_.generation_path),
      commands_([this](const std::string& subject, const std::string& text, EventKind kind) {
        events_.add(subject, text, kind);
      }),
      dispenser_(target_of(settings_), max_request_of(settings_)),
      key_(gather_start_material().view()),
      book_([this](const std::string& name, const share::Terms& terms) {
        return dispenser_.open_flow(name, terms);
      }),
      clients_(state_, (book_.configure(settings_.config.clients), book_)),
      watch_(state_, book_, clients_, events_),
      blocks_(block_places, crypto::random_seed()),
      drbg_(share::SeededDrbg::make(dispenser_, settings_.config.threads, settings_.config.reseed)),
      cookies_(cookie_file(), [this](const std::string& text,
                                     EventKind kind) { events_.add("trickle", text, kind); }),
      threads_(settings_.config.threads,
               [this](const std::string& why) { alarm("threads", "a task has ended: " + why); }),
      services_(make_services()),
      renewal_({.running = running_,
                .generation = generation_,
                .dispenser = dispenser_,
                .key = key_,
                .drbg = drbg_->pool(),
                .commands = commands_,
                .events = events_,
                .clock = clock_}),
      alarms_(events_, [this] { return node_id_; }),
      control_(controlled()),
      pulse_({.report =
                  [this](bool clients) {
                    return report_for({.all = true}, clients ? Of::busy_clients : Of::no_clients);
                  },
              .wake_sources = [this] { wake_sources(); },
              .recorder = recorder_,
              .events = events_,
              .live = live_,
              .threads = threads_,
              .clock = clock_,
              .tell_service = settings_.tell_service}),
      ringing_(events_.listeners().add([this](const observe::Event&) { live_.bell().tell(); })) {
  defaults_ = {.limits = limits_of(settings_.config), .schedule = {}};
  if (settings_.feed) defaults_.schedule = settings_.feed->schedule;
  commands_.set(settings_.config.on_reseed);
  observe(settings_.config);
}

// What a reload changes, too.
void Node::observe(const Config& config) {
  loopback_sees_all_ = config.observe.loopback;
  pulse_.set_stat_interval(config.observe.stat);
  set_log_format(config.observe.log);
  alarms_.set(config.alarms);
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
                                        EventKind kind) { events_.add(subject, text, kind); },
                     .on_fed =
                         [this] {
                           if (settings_.on_fed) settings_.on_fed();
                         },
                     .reseed = settings_.config.reseed},
          .http = http_services(),
          .cookies = cookies_};
}

outlets::CookieKeeper::File Node::cookie_file() {
  return {.name = state_.path() + "/trickle.key",
          .read = [this] { return state_.cookie_keys(); },
          .write = [this](Bytes text) -> Result<void> {
            if (!watch_.writable()) return error("the node cannot write its state directory");
            return state_.store_cookie_keys(text);
          }};
}

void Node::start() {
  watch_.begin();
  node_id_ = state_.node_id();
  provenance_.set_own(node_id_);
  if (settings_.feed && watch_.writable()) {
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
                change.kept ? EventKind::guarantee_kept : EventKind::guarantee_suspended,
                {.client = *change.name});
  });
  std::vector<NamedSource> sources = make_sources();
  book_.on_revoke([this](const std::shared_ptr<share::Client>& client) {
    const auto running = running_.lists();
    for (const NamedOutlet& named : running->outlets) {
      named.outlet->close_of(client);
    }
  });
  std::vector<NamedOutlet> outlets = start_outlets();
  running_.replace({sources, std::move(outlets)});
  for (const std::string& place : net::PassedSockets::of_process().left()) {
    events_.add("sockets",
                fmt::format("systemd holds {} for this node, and no outlet has that address: "
                            "whoever connects there waits in vain",
                            place),
                EventKind::warning);
  }
  find_trickle_port();
  warn_of(settings_.config);
  if (!settings_.config.note.empty()) log_info("configuration: {}", settings_.config.note);
  if (const std::string at = address(); !at.empty() && watch_.writable())
    state_.remember_address(at);
  open_control_socket();
  if (!settings_.feed) drbg_->pool().start();
  for (const NamedSource& named : sources) named.source->start();
  pulse_.start();
}

serve::Limits Node::control_limits() const {
  constexpr std::size_t least = 64;
  serve::Limits limits = defaults_.limits;
  for (std::size_t* count :
       {&limits.connections, &limits.peer_connections, &limits.client_connections}) {
    *count = std::max(*count, least);
  }
  return limits;
}

void Node::open_control_socket() {
  if (!watch_.writable()) return;
  outlets::HttpSettings settings;
  settings.name = "control";
  settings.unix_path = state_.control_socket();
  settings.limits = control_limits();
  settings.control = [this](std::string_view method, std::string_view path, std::string_view body) {
    return control_.answer(method, path, body);
  };
  auto socket = std::make_unique<outlets::HttpOutlet>(std::move(settings), services_);
  try {
    socket->start();
  } catch (const Failure& problem) {
    events_.add("control",
                fmt::format("{}; 'qanat status' will not find this node", problem.what()),
                EventKind::warning);
    return;
  }
  control_socket_ = std::move(socket);
}

void Node::check_control_socket() {
  if (!control_socket_ || !watch_.writable()) return;
  if (control_socket_->in_place()) return;
  control_socket_->stop();
  control_socket_.reset();
  open_control_socket();
}

Controlled Node::controlled() {
  return {.book = book_,
          .clients = clients_,
          .dispenser = dispenser_,
          .events = events_,
          .state = watch_,
          .clock = clock_,
          .identity = [this] { return identity_ ? &*identity_ : nullptr; },
          .reach = [this] { return reach(); },
          .check_state = [this] { check_state(); },
          .retest = [this] { retest(); },
          .feed = [this] { feed_now(); },
          .alarms = alarms_};
}

void Node::check_state() {
  const bool written_back = watch_.check({.node_id = node_id_,
                                          .identity = identity_ ? &*identity_ : nullptr,
                                          .address = address(),
                                          .cookies = settings_.feed.has_value()});
  if (written_back && cookies_.version() > 0) {
    cookies_.keep(static_cast<std::uint64_t>(std::time(nullptr)));
  }
}

// With a quorum all upstreams are one.
std::vector<SourceTexts> grouped_sources(const std::vector<std::string>& texts,
                                         bool upstreams_together) {
  std::vector<SourceTexts> groups;
  SourceTexts upstreams;
  for (const std::string& text : texts) {
    if (upstreams_together && sources::is_upstream(text)) {
      upstreams.push_back(text);
    } else {
      groups.push_back({text});
    }
  }
  if (!upstreams.empty()) groups.push_back(std::move(upstreams));
  return groups;
}

NamedSource Node::make_source(const SourceTexts& texts, std::size_t quorum) {
  if (texts.size() == 1 && (quorum < 2 || !sources::is_upstream(texts[0]))) {
    return {texts, sources::make_source(texts[0], source_services())};
  }
  return {texts, sources::make_upstream(texts, {.quorum = quorum}, source_services())};
}

// A feed's upstreams are one in any case: what one of them does not give, another may.
std::vector<NamedSource> Node::make_sources() {
  std::vector<NamedSource> made;
  if (settings_.feed) {
    for (const SourceTexts& texts : grouped_sources(settings_.feed->upstreams, true)) {
      made.push_back(make_source(texts, settings_.feed->quorum));
    }
  }
  const std::size_t quorum = settings_.config.quorum;
  for (const SourceTexts& texts : grouped_sources(settings_.config.sources, quorum > 1)) {
    made.push_back(make_source(texts, quorum));
  }
  return made;
}

sources::SourceServices Node::source_services() {
  return {
      .dispenser = dispenser_,
      .key = key_,
      .provenance = provenance_,
      .clock = clock_,
      // All draw from the sources.
      .on_event = [this](const std::string& subject, const std::string& text,
                         EventKind kind) { events_.add(subject, text, kind, {.everybody = true}); },
      .cookie_directory = cookie_directory_,
      .on_fresh_seed = [this](const std::string& why,
                              const sources::FreshSeed& seed) { return renew(why, seed); },
      .seeds = settings_.feed.has_value(),
      .origins = &origins_};
}

NamedOutlet Node::make_outlet(const std::string& text) {
  return {text, outlets::plan_outlet(text, defaults_).make(services_)};
}

void Node::find_trickle_port() {
  const auto running = running_.lists();
  std::uint16_t port = 0;
  for (const NamedOutlet& named : running->outlets) {
    if (port == 0) port = named.outlet->trickle_port();
  }
  trickle_port_ = port;
}

void Node::warn_of(const Config& config) {
  for (const std::string& warning : config_warnings(config)) {
    events_.add("configuration", warning, EventKind::warning);
  }
}

void Node::wake_sources() {
  const auto running = running_.lists();
  for (const NamedSource& named : running->sources) named.source->wake();
}

bool Node::stop_sources(std::vector<NamedSource>& sources) {
  const TimePoint end = clock_.now() + source_patience;
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
  pulse_.stop();
  // What fails is left behind, and keeps nothing else from its end.
  const auto end_one = [&ended](const auto& work) {
    try {
      insist(work);
    } catch (const std::exception& problem) {
      log_warning("stopping: {}; leaving it behind", plain_what(problem));
      ended = false;
    }
  };
  {
    const auto running = running_.lists();
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
  Lists old = insist([this] { return running_.replace({}); });
  for (const NamedOutlet& named : old.outlets) {
    end_one([&named] { named.outlet->stop(); });
    ended = ended && named.outlet->idle();
  }
  if (control_socket_) end_one([this] { control_socket_->stop(); });
  ended = ended && (!control_socket_ || control_socket_->idle());
  ended = stop_sources(old.sources) && ended;
  end_one([this] { drbg_->stop(); });
  dispenser_.drain();
  // What goes on still holds what it was given: it must stay.
  if (!ended) (void)new std::pair(std::move(old), std::move(control_socket_));
  control_socket_.reset();
  return ended;
}

void Node::alarm(const std::string& subject, const std::string& text) {
  events_.add(subject, text, EventKind::warning);
}

bool Node::turning() {
  const TimePoint now = clock_.now();
  const TimePoint asked = std::exchange(asked_to_turn_, now);
  bool all = now - pulse_.last_turn() < thread_patience;
  for (std::size_t i = 0; i < threads_.size(); ++i) all = all && threads_.last_turn(i) >= asked;
  threads_.beat();
  return all;
}

void Node::feed_now() {
  const auto running = running_.lists();
  for (const NamedOutlet& named : running->outlets) named.outlet->feed_now();
}

void Node::retest() {
  const auto running = running_.lists();
  for (const NamedSource& named : running->sources) named.source->retest();
}

bool Node::at_rest() const {
  const auto running = running_.lists();
  return std::all_of(running->sources.begin(), running->sources.end(),
                     [](const NamedSource& named) { return named.source->at_rest(); });
}

Reach Node::reach() const {
  const auto running = running_.lists();
  for (const NamedOutlet& named : running->outlets) {
    auto at = named.outlet->invites_to();
    if (!at) continue;
    const bool every = at->host == "0.0.0.0" || at->host == "::" || at->host == "*";
    if (every) at->host = net::reachable_host();
    return {at->text(), every};
  }
  return {};
}

}  // namespace qanat::node
