// Outlets as a configuration names them, at the start and when another takes its place: their part
// of node.h.
#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/descriptor_limit.h"
#include "base/log.h"
#include "node/insist.h"
#include "node/node.h"
#include "serve/absent.h"

namespace qanat::node {

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

// All of them listen, or the node does not start. Of the default set, which nobody asked for by
// name, one that cannot is left out, and said.
std::vector<NamedOutlet> Node::start_outlets() {
  std::vector<NamedOutlet> outlets;
  // Where the configuration names it.
  const auto failure = [this](const std::string& text, const Failure& problem) {
    return Failure(settings_.config.place_of("outlet", text) + problem.what());
  };
  for (const std::string& text : settings_.config.outlets) {
    try {
      outlets.push_back(make_outlet(text));
    } catch (const Failure& problem) {
      throw failure(text, problem);
    }
  }
  std::string problems;
  std::size_t failed = 0;
  for (NamedOutlet& named : outlets) {
    try {
      named.outlet->start();
    } catch (const Failure& problem) {
      if (!settings_.config.default_outlets) throw failure(named.text, problem);
      problems += fmt::format("{}{}", problems.empty() ? "" : "; ", problem.what());
      if (++failed == outlets.size()) throw Failure(problems);
      const std::string what = fmt::format(
          "{}; going on without this default outlet (name those you want with --outlet)",
          problem.what());
      events_.add(named.text, what, EventKind::warning);
      named.outlet = std::make_shared<serve::AbsentOutlet>(named.text, what);
    }
  }
  return outlets;
}

// Those that had ended for others, which did not start.
void Node::put_back(std::vector<NamedOutlet>& ended) {
  Lists again = *running_.lists();
  for (NamedOutlet& named : ended) {
    try {
      named = make_outlet(named.text);
      named.outlet->start();
    } catch (const Failure& problem) {
      events_.add(named.text, fmt::format("does not come back: {}", problem.what()),
                  EventKind::warning);
      named.outlet = std::make_shared<serve::AbsentOutlet>(named.text, problem.what());
    }
    again.outlets.push_back(named);
  }
  running_.replace(std::move(again));
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
        Lists without = *running_.lists();
        std::erase_if(without.outlets,
                      [&](const NamedOutlet& item) { return item.text == other->text; });
        running_.replace(std::move(without));
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

// What runs after the reload, and what of it is not there before, or no more.
struct Node::Change {
  Lists next;
  std::vector<NamedSource> new_sources;
  std::vector<NamedOutlet> new_outlets;
  std::vector<NamedOutlet> leaving;
};

Node::Change Node::change_to(const Config& config) {
  const Lists before = *running_.lists();
  const std::size_t quorum = settings_.config.quorum;
  const auto named = [](const std::string& text) {
    return [&text](const NamedOutlet& outlet) { return outlet.text == text; };
  };
  Change change;
  for (const NamedOutlet& outlet : before.outlets) {
    const bool wanted = std::find(config.outlets.begin(), config.outlets.end(), outlet.text) !=
                        config.outlets.end();
    // One that could not start is tried again.
    const bool stays = wanted && !outlet.outlet->absent();
    (stays ? change.next.outlets : change.leaving).push_back(outlet);
  }
  for (const SourceTexts& texts : grouped_sources(config.sources, quorum > 1)) {
    const auto known =
        std::find_if(before.sources.begin(), before.sources.end(),
                     [&](const NamedSource& source) { return source.texts == texts; });
    const bool stays = known != before.sources.end();
    change.next.sources.push_back(stays ? *known : make_source(texts, quorum));
    if (!stays) change.new_sources.push_back(change.next.sources.back());
  }
  for (const std::string& text : config.outlets) {
    const auto& staying = change.next.outlets;
    if (std::none_of(staying.begin(), staying.end(), named(text))) {
      change.new_outlets.push_back(make_outlet(text));
    }
  }
  return change;
}

void Node::change_outlets(const Change& change) {
  for (const NamedOutlet& named : change.leaving) {
    insist([&named] { named.outlet->stop(); });
    if (!named.outlet->idle()) (void)new std::shared_ptr<serve::Outlet>(named.outlet);
    insist(
        [&] { events_.add("outlet " + named.outlet->report().name, "stopped", EventKind::note); });
  }
  for (const NamedOutlet& named : change.new_outlets) {
    insist([&] {
      const observe::OutletReport report = named.outlet->report();
      events_.add("outlet " + report.name,
                  report.listening ? "started, " + report.detail : "started", EventKind::note);
    });
  }
  for (const NamedOutlet& named : change.next.outlets) {
    insist([&] {
      named.outlet->reload();
      named.outlet->set_limits(outlets::plan_outlet(named.text, defaults_).limits);
    });
  }
  if (control_socket_) insist([this] { control_socket_->set_limits(control_limits()); });
}

// The old first: two do not share a device.
void Node::change_sources(const Change& change, std::vector<NamedSource> old) {
  std::erase_if(old, [&](const NamedSource& source) {
    const auto& next = change.next.sources;
    return std::any_of(next.begin(), next.end(),
                       [&](const NamedSource& other) { return other.source == source.source; });
  });
  for (const NamedSource& named : old) {
    insist(
        [&] { events_.add("source " + named.source->report().name, "stopped", EventKind::note); });
  }
  if (!stop_sources(old)) (void)new std::vector<NamedSource>(std::move(old));
  for (const NamedSource& named : change.new_sources) {
    insist([&] {
      events_.add("source " + named.source->report().name, "started", EventKind::note);
      named.source->start();
    });
  }
}

void Node::reload(const Config& config) {
  if (const std::string changed = config.core_changes(settings_.config); !changed.empty()) {
    log_warning("reload: {} changed, with effect from the next start", changed);
  }
  const outlets::OutletDefaults old_defaults = std::exchange(defaults_, defaults_of(config));
  Change change;
  try {
    change = change_to(config);
    start_in_place_of(change.new_outlets, change.leaving, old_defaults, change.next);
  } catch (...) {
    defaults_ = old_defaults;
    throw;
  }
  // From here on nothing may fail.
  Lists old = insist([&] { return running_.replace(change.next); });
  change_outlets(change);
  change_sources(change, std::move(old.sources));
  insist([this] { find_trickle_port(); });
  insist([&] { book_.configure(config.clients); });
  commands_.set(config.on_reseed);
  insist([&] { observe(config); });
  // With effect from the next start: the sources that run were made with it.
  const std::size_t quorum = settings_.config.quorum;
  settings_.config = config;
  settings_.config.quorum = quorum;
  warn_of(config);
}

}  // namespace qanat::node
