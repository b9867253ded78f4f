#include "node/node.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <ctime>
#include <thread>

#include "base/log.h"
#include "base/quantity.h"
#include "base/timing_noise.h"
#include "crypto/aead.h"
#include "crypto/openssl.h"
#include "net/listen.h"
#include "observe/metrics.h"
#include "observe/status.h"
#include "outlets/trickle_outlet.h"

namespace qanat::node {

using namespace std::chrono_literals;

namespace {

// A feed keeps nothing in store: what it feeds was fetched for it, just now.
constexpr std::size_t feed_request_bytes = 4096;
// The longest that a stuck source may hold up the end.
constexpr Duration source_patience = 2s;
// Address blocks whose rates are watched at a time, 256 KiB.
constexpr std::size_t block_places = 16384;

std::size_t target_of(const NodeSettings& settings) {
  return settings.feed ? 0 : settings.config.reserve_bytes;
}
std::size_t max_request_of(const NodeSettings& settings) {
  return settings.feed ? feed_request_bytes
                       : static_cast<std::size_t>(settings.config.api.full_bytes);
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
      threads_(settings_.config.threads),
      services_(make_services()) {
  defaults_ = {.api = settings_.config.api, .http = settings_.config.http, .schedule = {}};
  if (settings_.feed) defaults_.schedule = settings_.feed->schedule;
  commands_.set(settings_.config.on_reseed);
}

Node::~Node() { stop(0s); }

outlets::OutletServices Node::make_services() {
  return {.dispenser = dispenser_,
          .drbg = drbg_->pool(),
          .clients = book_,
          .provenance = provenance_,
          .key = key_,
          .blocks = blocks_,
          .threads = threads_,
          .clock = clock_,
          .identity =
              [this] {
                return net::ServerTls{.key_pem = identity_->key_pem.view(),
                                      .certificate_pem = identity_->certificate_pem,
                                      .client_ca = {}};
              },
          .cookies = cookies_,
          .trickle_port = [this] { return trickle_port_.load(); },
          .status =
              [this](const outlets::Viewer& viewer) {
                const auto document = observe::status_document(snapshot_for(viewer));
                return boost::json::serialize(document) + "\n";
              },
          .metrics =
              [this](const outlets::Viewer& viewer) {
                return observe::metrics_text(snapshot_for(viewer));
              },
          .ready = [this] { return drbg_->pool().ready(); },
          .on_event = [this](const std::string& subject, const std::string& text,
                             bool alarm) { events_.add(subject, text, alarm); },
          .on_fed =
              [this] {
                if (settings_.on_fed) settings_.on_fed();
              },
          .reseed = settings_.config.reseed};
}

outlets::CookieKeeper::File Node::cookie_file() {
  return {.name = state_.path() + "/trickle.key",
          .read = [this] { return state_.cookie_keys(); },
          .write = [this](Bytes text) -> Result<void> {
            if (!state_writable_) return error("the state directory is not this node's to write");
            return state_.store_cookie_keys(text);
          }};
}

void Node::start() {
  auto prepared = state_.prepare();
  Result<UniqueFd> lock = error(prepared ? "" : prepared.error().message);
  if (prepared) lock = state_.lock();
  if (lock) {
    lock_ = std::move(*lock);
    state_writable_ = true;
  } else {
    events_.add("state",
                lock.error().message + "; going on without it: no new clients, and a new " +
                    "server key at the next start",
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
    events_.add(change.name,
                change.kept
                    ? fmt::format("the guarantee of {} is kept again", format_rate(change.rate))
                    : fmt::format("the guarantee of {} is suspended: the sources deliver {}",
                                  format_rate(change.rate), format_rate(change.proved)),
                !change.kept, {.client = change.name});
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
  std::vector<NamedOutlet> outlets;
  for (const std::string& text : settings_.config.outlets) outlets.push_back(make_outlet(text));
  book_.on_revoke([this](const std::shared_ptr<share::Client>& client) {
    const std::scoped_lock guard(lists_mutex_);
    for (const NamedOutlet& named : outlets_) {
      if (auto* stream = dynamic_cast<outlets::StreamOutlet*>(named.outlet.get()))
        stream->close_of(client);
    }
  });
  // All of them listen, or the node does not start.
  for (const NamedOutlet& named : outlets) named.outlet->start();
  {
    const std::scoped_lock guard(lists_mutex_);
    sources_ = std::move(sources);
    outlets_ = std::move(outlets);
  }
  find_trickle_port();
  if (const std::string at = address(); !at.empty() && state_writable_) state_.remember_address(at);
  open_control_socket();
  if (!settings_.feed) drbg_->pool().start();
  for (const NamedSource& named : sources_) named.source->start();
}

void Node::open_control_socket() {
  if (!state_writable_) return;
  outlets::HttpSettings settings;
  settings.name = "control";
  settings.unix_path = state_.control_socket();
  settings.api = settings_.config.api;
  settings.limits = settings_.config.http;
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
      .seeds = settings_.feed.has_value()};
}

Node::NamedOutlet Node::make_outlet(const std::string& text) {
  return {text, outlets::make_outlet(text, defaults_, services_)};
}

void Node::find_trickle_port() {
  const std::scoped_lock guard(lists_mutex_);
  std::uint16_t port = 0;
  for (const NamedOutlet& named : outlets_) {
    const auto* trickle = dynamic_cast<const outlets::TrickleOutlet*>(named.outlet.get());
    if (trickle != nullptr && port == 0) port = trickle->address().port;
  }
  trickle_port_ = port;
}

void Node::wake_sources() {
  const std::scoped_lock guard(lists_mutex_);
  for (const NamedSource& named : sources_) named.source->wake();
}

bool Node::stop_sources(std::vector<NamedSource>& sources, Duration limit) {
  const TimePoint end = clock_.now() + limit;
  for (const NamedSource& named : sources) named.source->request_stop();
  bool all = true;
  for (const NamedSource& named : sources) {
    const bool joined = named.source->join(std::max(end - clock_.now(), Duration(10ms)));
    // Not its text, which may be a join string.
    if (!joined) {
      log_warning("{}: stuck in its device; leaving it behind", named.source->report().name);
    }
    all = all && joined;
  }
  return all;
}

bool Node::stop(Duration limit) {
  std::vector<NamedOutlet> outlets;
  std::vector<NamedSource> sources;
  {
    const std::scoped_lock guard(lists_mutex_);
    for (const NamedOutlet& named : outlets_) named.outlet->drain();
  }
  const TimePoint end = clock_.now() + limit;
  const auto idle = [this] {
    return std::all_of(outlets_.begin(), outlets_.end(),
                       [](const NamedOutlet& named) { return named.outlet->idle(); });
  };
  while (!idle() && clock_.now() < end) std::this_thread::sleep_for(5ms);
  {
    const std::scoped_lock guard(lists_mutex_);
    outlets.swap(outlets_);
    sources.swap(sources_);
  }
  for (const NamedOutlet& named : outlets) named.outlet->stop();
  outlets.clear();
  if (control_) control_->stop();
  control_.reset();
  const bool joined = stop_sources(sources, source_patience);
  drbg_->stop();
  dispenser_.drain();
  if (!joined) {
    // Their threads still hold what they were given: it must stay.
    for (NamedSource& named : sources) (void)named.source.release();
  }
  return joined;
}

void Node::reload(const Config& config) {
  if (!config.same_core(settings_.config)) {
    log_warning("reload: threads, quorum, reserve and reseeding change at the next start only");
  }
  const auto contains = [](const auto& list, const std::string& text) {
    return std::any_of(list.begin(), list.end(),
                       [&](const auto& item) { return item.text == text; });
  };
  const auto named_in = [](const std::vector<std::string>& names, const std::string& text) {
    return std::find(names.begin(), names.end(), text) != names.end();
  };
  const outlets::OutletDefaults old_defaults = defaults_;
  defaults_.api = config.api;
  if (defaults_.api.full_bytes > dispenser_.max_request_bytes()) {
    log_warning("reload: limits.full_bytes grows at the next start only");
    defaults_.api.full_bytes = dispenser_.max_request_bytes();
  }
  defaults_.http = config.http;
  const std::vector<std::string> source_texts =
      grouped_sources(config.sources, settings_.config.quorum);
  std::vector<NamedOutlet> new_outlets;
  std::vector<NamedSource> new_sources;
  try {
    for (const std::string& text : source_texts) {
      if (!contains(sources_, text)) new_sources.push_back(make_source(text));
    }
    for (const std::string& text : config.outlets) {
      if (contains(outlets_, text)) continue;
      new_outlets.push_back(make_outlet(text));
      new_outlets.back().outlet->start();
    }
  } catch (...) {
    defaults_ = old_defaults;
    throw;
  }
  // From here on nothing fails.
  std::vector<NamedOutlet> old_outlets;
  std::vector<NamedSource> old_sources;
  {
    const std::scoped_lock guard(lists_mutex_);
    const auto move_unnamed = [&](auto& from, auto& to, const std::vector<std::string>& names) {
      for (auto it = from.begin(); it != from.end();) {
        if (named_in(names, it->text)) {
          ++it;
        } else {
          to.push_back(std::move(*it));
          it = from.erase(it);
        }
      }
    };
    move_unnamed(outlets_, old_outlets, config.outlets);
    move_unnamed(sources_, old_sources, source_texts);
    for (NamedOutlet& named : new_outlets) outlets_.push_back(std::move(named));
    for (NamedSource& named : new_sources) {
      named.source->start();
      sources_.push_back(std::move(named));
    }
  }
  for (const NamedOutlet& named : old_outlets) named.outlet->stop();
  for (const NamedOutlet& named : outlets_) named.outlet->reload();
  if (!stop_sources(old_sources, source_patience)) {
    for (NamedSource& named : old_sources) (void)named.source.release();
  }
  find_trickle_port();
  book_.configure(config.clients);
  commands_.set(config.on_reseed);
  settings_.config = config;
}

void Node::feed_now() {
  const std::scoped_lock guard(lists_mutex_);
  for (const NamedOutlet& named : outlets_) named.outlet->feed_now();
}

void Node::retest() {
  const std::scoped_lock guard(lists_mutex_);
  for (const NamedSource& named : sources_) named.source->retest();
}

bool Node::renew(const std::string& why, const sources::FreshSeed& seed) {
  // Nothing comes before the kernel: every microsecond, programs draw from it.
  bool taken = false;
  {
    const std::scoped_lock guard(lists_mutex_);
    for (const NamedOutlet& named : outlets_) {
      // Each byte once: the first kernel has it.
      taken = named.outlet->stir(taken ? Bytes() : seed.bytes, taken ? 0 : seed.credited) || taken;
    }
  }
  const std::uint64_t generation = generation_.advance();
  if (taken) dispenser_.passed(seed.account, seed.credited, clock_.now());
  dispenser_.discard_free();
  try {
    crypto::reseed_openssl();
  } catch (const Failure& problem) {
    events_.add("node", problem.what(), true);
  }
  key_.mix("renewal", gather_start_material().view());
  drbg_->pool().renew(crypto::random_bytes);
  {
    const std::scoped_lock guard(lists_mutex_);
    for (const NamedOutlet& named : outlets_) named.outlet->renew();
  }
  retest();
  feed_now();
  events_.add("node", why + ": everything is seeded anew", false);
  commands_.run(why, generation);
  return taken;
}

bool Node::at_rest() const {
  const std::scoped_lock guard(lists_mutex_);
  return std::all_of(sources_.begin(), sources_.end(),
                     [](const NamedSource& named) { return named.source->at_rest(); });
}

std::string Node::address() const {
  for (const NamedOutlet& named : outlets_) {
    const auto* http = dynamic_cast<const outlets::HttpOutlet*>(named.outlet.get());
    if (http == nullptr || !named.text.starts_with("https:")) continue;
    auto at = wire::parse_address(http->address_text());
    if (!at) continue;
    if (at->host == "0.0.0.0" || at->host == "::" || at->host == "*")
      at->host = net::reachable_host();
    return at->text();
  }
  return "";
}

}  // namespace qanat::node
