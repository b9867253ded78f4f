// What a node does, in a line for whoever starts services: "Status:" of systemctl status.
#pragma once

#include <string>

#include "observe/node_report.h"

namespace qanat::observe {

// "2 sources, 3 clients, reserve 64 KiB, 9.7 KiB/s"; of a feed "last fed 2026-11-30 14:03:12 from
// hub.example:7749, next 14:04:10". Then what is wrong, if something is. Times are those of the
// clock on the wall, in local time, so that the line changes only when something has happened.
std::string service_text(const NodeReport& report);

}  // namespace qanat::observe
