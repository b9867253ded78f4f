// Server-sent events: bytes to events, in any cut (HTML Living Standard, 9.2.6). No sockets; fuzzed
// (tests/fuzz/event_stream.cpp).
#pragma once

#include <functional>
#include <string>

#include "base/bytes.h"

namespace qanat::wire {

struct StreamedEvent {
  std::string id;    // the last that was named; it stays for events that name none
  std::string type;  // "message" where none is named
  std::string data;
};

// Not thread-safe.
class EventStreamReader {
 public:
  // Of a line, and of an event's data. Ours are some 100 KB at the most.
  static constexpr std::size_t most_bytes = 1 << 20;

  using OnEvent = std::function<void(const StreamedEvent& event)>;
  explicit EventStreamReader(OnEvent on_event) : on_event_(std::move(on_event)) {}

  // False once a line or an event is too long: then nothing more is read.
  bool feed(Bytes bytes);
  // The connection was lost, and another begins: what was under way is forgotten.
  void begin_anew();

 private:
  bool line(std::string_view text);

  const OnEvent on_event_;
  std::string line_;
  bool after_return_ = false;  // a line ended with CR: an LF right behind it belongs to it
  bool overlong_ = false;
  bool any_data_ = false;
  StreamedEvent event_;
};

}  // namespace qanat::wire
