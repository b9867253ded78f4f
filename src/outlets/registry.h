// All types of outlets, by name.
#pragma once

#include <string>
#include <vector>

#include "outlets/type.h"

namespace qanat::outlets {

// Throws Failure for an unknown type, option or value, and for an address beyond loopback that
// nothing guards. What it makes does not depend on `text` any more.
OutletPlan plan_outlet(const std::string& text, const OutletDefaults& defaults = {});

// As `qanat serve` uses without arguments.
std::vector<std::string> default_outlets();
// Of all types, in the order of --help.
std::vector<std::string_view> type_names();
// A line for each type: "fifo  whoever reads a FIFO; options: grade".
std::vector<std::string> outlet_help();

}  // namespace qanat::outlets
