// The status document (docs/http-api.md), and what people see of it.
#pragma once

#include <boost/json/value.hpp>
#include <string>

#include "observe/node_report.h"
#include "observe/verdict.h"

namespace qanat::observe {

boost::json::value status_document(const NodeReport& snapshot);
// The same for whoever looks every second: of the clients the busiest, and no events.
inline constexpr std::size_t most_live_clients = 50;
boost::json::value live_document(NodeReport snapshot);
boost::json::value event_document(const Event& event);
// Aligned columns, 80 wide, units named.
std::string status_text(const boost::json::value& document);
// One line for monitoring: "OK: 2 sources healthy, reserve 64 KiB, 3 clients", "WARNING: ...",
// "FAILED: ...".
struct StatusLine {
  Verdict::Level level = Verdict::Level::good;
  std::string text;
};
StatusLine status_line(const boost::json::value& document);
std::string clients_text(const boost::json::value& document);

}  // namespace qanat::observe
