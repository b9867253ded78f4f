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

// As configured: one of the two is not empty.
struct AlarmRule {
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

// What one alarm lets through. Of one kind and subject once in `repeat`; of all at most
// `most_at_once` in `repeat`, so that a fault that shows in a thousand ways sends no thousand
// messages. Not thread-safe; reads no clock.
class AlarmFilter {
 public:
  static constexpr std::size_t most_at_once = 20;
  // Kinds and subjects that are remembered; beyond, none is the same as another.
  static constexpr std::size_t most_remembered = 1024;

  AlarmFilter(std::vector<EventKind> on, Duration repeat) : on_(std::move(on)), repeat_(repeat) {}

  enum class Answer {
    send,
    not_wanted,  // of another kind
    repeated,    // the same was told, and is not news
    dropped,     // too many
  };
  struct Admitted {
    Answer answer = Answer::not_wanted;
    std::uint64_t repeated = 0;  // of the same since it was told last: goes with what is sent
  };
  Admitted admit(const Event& event, TimePoint now);

 private:
  struct Told {
    TimePoint at{};
    std::uint64_t repeated = 0;
  };

  const std::vector<EventKind> on_;
  const Duration repeat_;
  std::map<std::pair<EventKind, std::string>, Told> told_;
  TimePoint began_{};
  std::size_t sent_ = 0;  // since `began_`
};

// The body of a webhook, and what a command reads in QANAT_EVENT.
std::string alarm_json(const Event& event, const std::string& node_id, std::uint64_t repeated);

}  // namespace qanat::observe
