#include "cli/held_places.h"

#include <boost/json.hpp>

#include "cli/control.h"
#include "outlets/registry.h"

namespace qanat::cli {

std::set<std::string> places_held(const std::string& state) {
  std::set<std::string> places;
  const auto status = ask_node(state, "GET", "/v1/status");
  if (!status) return places;
  for (const auto& outlet : status->at("outlets").as_array()) {
    try {
      places.insert(outlets::plan_outlet(outlet.at("name").as_string().c_str()).place);
    } catch (const Failure&) {
      continue;  // of another version
    }
  }
  return places;
}

}  // namespace qanat::cli
