// All kinds of outlets, by name.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "outlets/http/settings.h"
#include "serve/outlet.h"
#include "serve/schedule.h"

namespace qanat::outlets {

struct OutletDefaults {
  wire::ApiLimits api;
  serve::Limits http;
  serve::Schedule schedule;
};

// For `qanat check`, and to find two outlets that would meet at one place.
struct OutletDescription {
  std::string name;
  std::string place;  // "tcp 127.0.0.1:7748", "kernel", "/run/x": no two outlets have the same
  std::string note;   // who may draw, what an operator should know
};

// Each throws Failure for an unknown type, option or value, and for an address beyond loopback that
// nothing guards.
OutletDescription describe_outlet(const std::string& text);
std::unique_ptr<serve::Outlet> make_outlet(const std::string& text, const OutletDefaults& defaults,
                                           const serve::OutletServices& services);
// The limits that hold for an outlet of this name: the configuration's, and its own options.
serve::Limits limits_of(const std::string& text, const OutletDefaults& defaults);

// As `qanat serve` uses without arguments.
std::vector<std::string> default_outlets();
// A line for each type, and one with its own options.
std::vector<std::string> outlet_help();

}  // namespace qanat::outlets
