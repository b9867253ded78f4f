// Which events an [[alarm]] tells of, and how often. No I/O: node/alarms sends them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "observe/reports.h"

namespace qanat::observe {

// As configured; command or webhook is not empty.
struct AlarmRule {
  std::string label;              // as the operator calls it; may be empty
  std::string command;            // for /bin/sh
  std::string webhook;            // a URL
  std::optional<std::string> ca;  // PEM file for the webhook's certificate; else the system's CAs
  std::vector<EventKind> on;      // usual_alarms() where the operator names none
  Duration timeout = std::chrono::seconds(10);  // of one try
  std::uint64_t retries = 3;                    // after the first try
  Duration repeat = std::chrono::minutes(5);    // what is the same is told again after that

  // For people and metrics: the command, or where the webhook goes, without what may be secret in
  // its path.
  std::string name() const;
  bool operator==(const AlarmRule&) const = default;
};

// What should wake somebody, and a source's return.
std::vector<EventKind> usual_alarms();

// What one alarm lets through. Kinds that say one thing of a subject, and its opposite (gone and
// back), are a state: each change of it is told, at once or, while it changes every moment, some
// seconds later; so that what was told last is true. What says the same again is told once in
// `repeat`. Of all at most `most_at_once` in `repeat`, so that a fault that shows in a thousand
// ways sends no thousand messages; states that are to be told then wait. Not thread-safe; reads no
// clock.
class AlarmFilter {
 public:
  static constexpr std::size_t most_at_once = 20;
  // Between two messages on one state.
  static constexpr Duration between_changes = std::chrono::seconds(10);
  // Subjects that are remembered; beyond, none is the same as another.
  static constexpr std::size_t most_remembered = 1024;

  AlarmFilter(std::vector<EventKind> on, Duration repeat) : on_(std::move(on)), repeat_(repeat) {}

  enum class Answer {
    send,
    not_wanted,  // of another kind
    repeated,    // the same was told, and is not news
    held,        // a state that is told later, unless it changes back
    dropped,     // too many
  };
  struct Admitted {
    Answer answer = Answer::not_wanted;
    std::uint64_t repeated = 0;  // of the same since it was told last: goes with what is sent
  };
  Admitted admit(const Event& event, TimePoint now);

  // What was let through has reached nobody: the same is news again.
  void not_told(const Event& event);

  // One that was held and is to be sent now; and when to look again, where any is held.
  std::optional<Event> due(TimePoint now);
  std::optional<TimePoint> next_due() const;

 private:
  struct State {
    EventKind last = EventKind::note;  // as it is known to whoever is told
    TimePoint told_at{};
    bool told = false;  // anything yet
    std::uint64_t repeated = 0;
    std::optional<Event> held;
  };

  bool wants(EventKind kind) const;
  bool has_room(TimePoint now);
  void note_sent(State& state, EventKind kind, TimePoint now);

  const std::vector<EventKind> on_;
  const Duration repeat_;
  std::map<std::pair<EventKind, std::string>, State> states_;  // by its first kind, and subject
  TimePoint began_{};
  std::size_t sent_ = 0;  // since `began_`
};

// The body of a webhook, and what a command reads in QANAT_EVENT.
std::string alarm_json(const Event& event, const std::string& node_id, std::uint64_t repeated);

}  // namespace qanat::observe
