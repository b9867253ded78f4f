#include "observe/alarm.h"

#include <algorithm>
#include <boost/json.hpp>

#include "base/version.h"
#include "observe/status.h"

namespace qanat::observe {

std::string AlarmRule::name() const {
  if (!label.empty()) return label;
  if (!command.empty()) return command;
  const auto host = webhook.find("//");
  if (host == std::string::npos) return webhook;
  return webhook.substr(0, webhook.find_first_of("/?#", host + 2));
}

std::vector<EventKind> usual_alarms() {
  return {EventKind::source_failed, EventKind::source_gone, EventKind::source_back,
          EventKind::reserve_empty, EventKind::not_ready,   EventKind::guarantee_suspended,
          EventKind::loop_found,    EventKind::clock_off,   EventKind::thread_stuck};
}

namespace {

// The kinds that are one state of a subject, by the first of them; others are alone.
EventKind state_of(EventKind kind) {
  switch (kind) {
    case EventKind::source_gone:
    case EventKind::source_back:
      return EventKind::source_failed;
    case EventKind::reserve_back:
      return EventKind::reserve_empty;
    case EventKind::ready:
      return EventKind::not_ready;
    case EventKind::guarantee_kept:
      return EventKind::guarantee_suspended;
    case EventKind::thread_back:
      return EventKind::thread_stuck;
    default:
      return kind;
  }
}

}  // namespace

bool AlarmFilter::wants(EventKind kind) const {
  return std::find(on_.begin(), on_.end(), kind) != on_.end();
}

bool AlarmFilter::has_room(TimePoint now) {
  if (sent_ == 0 || now - began_ >= repeat_) {
    began_ = now;
    sent_ = 0;
    std::erase_if(states_, [&](const auto& entry) {
      return !entry.second.held && now - entry.second.told_at >= 2 * repeat_;
    });
  }
  return sent_ < most_at_once;
}

void AlarmFilter::note_sent(State& state, EventKind kind, TimePoint now) {
  ++sent_;
  state.last = kind;
  state.told_at = now;
  state.told = true;
  state.repeated = 0;
  state.held.reset();
}

AlarmFilter::Admitted AlarmFilter::admit(const Event& event, TimePoint now) {
  const std::pair key(state_of(event.kind), event.subject);
  const bool room = has_room(now);
  auto known = states_.find(key);
  if (!wants(event.kind)) {
    // The end of a fault that nobody asked for: the fault is news after it all the same.
    if (known != states_.end()) {
      known->second.last = event.kind;
      known->second.held.reset();
    }
    return {};
  }
  if (known == states_.end() && states_.size() < most_remembered) {
    known = states_.emplace(key, State{}).first;
  }
  State one_of_many;
  State& state = known == states_.end() ? one_of_many : known->second;
  if (state.told && state.last == event.kind) {
    // Back where it was before anybody heard of the change.
    state.held.reset();
    if (now - state.told_at < repeat_) {
      ++state.repeated;
      return {Answer::repeated};
    }
  }
  const bool soon = state.told && now - state.told_at < between_changes;
  if (soon || (!room && known != states_.end() && state.told)) {
    state.held = event;
    return {Answer::held};
  }
  if (!room) return {Answer::dropped};
  const Admitted admitted{Answer::send, state.repeated};
  note_sent(state, event.kind, now);
  return admitted;
}

void AlarmFilter::not_told(const Event& event) {
  const auto known = states_.find({state_of(event.kind), event.subject});
  if (known != states_.end()) known->second.told = false;
}

std::optional<Event> AlarmFilter::due(TimePoint now) {
  if (!has_room(now)) return std::nullopt;
  for (auto& [key, state] : states_) {
    if (!state.held || now - state.told_at < between_changes) continue;
    Event event = std::move(*state.held);
    note_sent(state, event.kind, now);
    return event;
  }
  return std::nullopt;
}

std::optional<TimePoint> AlarmFilter::next_due() const {
  std::optional<TimePoint> next;
  for (const auto& [key, state] : states_) {
    if (!state.held) continue;
    const TimePoint at = state.told_at + between_changes;
    next = next ? std::min(*next, at) : at;
  }
  if (next && sent_ >= most_at_once) next = std::max(*next, began_ + repeat_);
  return next;
}

std::string alarm_json(const Event& event, const std::string& node_id, std::uint64_t repeated) {
  boost::json::object body = event_document(event).as_object();
  body["node"] = node_id;
  body["version"] = version();
  body["repeated"] = repeated;
  return boost::json::serialize(body);
}

}  // namespace qanat::observe
