#include "observe/alarm.h"

#include <algorithm>
#include <boost/json.hpp>

#include "base/version.h"
#include "observe/status.h"

namespace qanat::observe {

std::string AlarmRule::name() const {
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

AlarmFilter::Admitted AlarmFilter::admit(const Event& event, TimePoint now) {
  if (std::find(on_.begin(), on_.end(), event.kind) == on_.end()) return {};
  if (sent_ == 0 || now - began_ >= repeat_) {
    began_ = now;
    sent_ = 0;
    std::erase_if(told_, [&](const auto& told) { return now - told.second.at >= 2 * repeat_; });
  }
  const std::pair key(event.kind, event.subject);
  const auto found = told_.find(key);
  if (found != told_.end() && now - found->second.at < repeat_) {
    ++found->second.repeated;
    return {Answer::repeated};
  }
  if (sent_ >= most_at_once) return {Answer::dropped};
  ++sent_;
  Admitted admitted{Answer::send};
  if (found != told_.end()) {
    admitted.repeated = found->second.repeated;
    found->second = {now, 0};
  } else if (told_.size() < most_remembered) {
    told_.emplace(key, Told{now, 0});
  }
  // It is news when the fault comes back after this.
  if (event.kind == EventKind::source_back) {
    told_.erase({EventKind::source_failed, event.subject});
    told_.erase({EventKind::source_gone, event.subject});
  }
  return admitted;
}

std::string alarm_json(const Event& event, const std::string& node_id, std::uint64_t repeated) {
  boost::json::object body = event_document(event).as_object();
  body["node"] = node_id;
  body["version"] = version();
  body["repeated"] = repeated;
  return boost::json::serialize(body);
}

}  // namespace qanat::observe
