#include "wire/event_stream.h"

#include <utility>

namespace qanat::wire {

bool EventStreamReader::feed(Bytes bytes) {
  for (const std::uint8_t byte : bytes) {
    if (overlong_) return false;
    const char c = static_cast<char>(byte);
    if (std::exchange(after_return_, c == '\r') && c == '\n') continue;
    if (c == '\n' || c == '\r') {
      overlong_ = !line(line_);
      line_.clear();
      continue;
    }
    if (line_.size() >= most_bytes) overlong_ = true;
    line_ += c;
  }
  return !overlong_;
}

void EventStreamReader::begin_anew() {
  line_.clear();
  after_return_ = overlong_ = any_data_ = false;
  event_.type.clear();
  event_.data.clear();
}

bool EventStreamReader::line(std::string_view text) {
  if (text.empty()) {
    if (std::exchange(any_data_, false)) {
      if (event_.type.empty()) event_.type = "message";
      on_event_(event_);
    }
    event_.type.clear();
    event_.data.clear();
    return true;
  }
  const auto colon = text.find(':');
  if (colon == 0) return true;  // a comment
  const std::string_view field = text.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "data") {
    if (event_.data.size() + value.size() >= most_bytes) return false;
    if (std::exchange(any_data_, true)) event_.data += '\n';
    event_.data += value;
  } else if (field == "event") {
    event_.type = value;
  } else if (field == "id" && value.find('\0') == std::string_view::npos) {
    event_.id = value;
  }
  return true;
}

}  // namespace qanat::wire
