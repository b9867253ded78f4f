// What one type of outlet says of itself. Each NAME.cpp defines its own; registry.cpp lists them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "outlets/services.h"
#include "serve/limits.h"
#include "serve/schedule.h"
#include "spec/obstacle.h"
#include "spec/spec.h"

namespace qanat::outlets {

// What the configuration says for all outlets.
struct OutletDefaults {
  serve::Limits limits;
  serve::Schedule schedule;
};

// What a name with its options comes to, read once.
struct OutletPlan {
  std::string place;      // "tcp 127.0.0.1:7748", "kernel", "/run/x": no two outlets have the same
  std::string path = {};  // of the file or socket that it makes; empty: none
  bool replaces_file = false;           // `path` is a file, and each delivery another
  std::vector<std::string> reads = {};  // files that no option names
  std::string note;                     // who may draw, what an operator should know
  serve::Limits limits;                 // that hold there: the configuration's, and its own options
  // It serves from a store: nothing for a feed, which keeps none.
  bool serves_store = false;
  // It delivers when somebody reads, which nobody can wait for.
  bool awaits_reader = false;
  // Throws nothing but for want of memory: what can be wrong is found by `start`. May be called
  // again, as after a reload that failed.
  std::function<std::unique_ptr<serve::Outlet>(const Services&)> make;
  // Adds what would keep `start` from working now. Opens and makes nothing that stays. Null:
  // nothing can.
  std::function<void(spec::Obstacles&)> look = {};
};

struct OutletType {
  std::string_view name;
  std::string_view options = {};  // beside those of all outlets (registry.cpp)
  std::string_view summary;       // for --help
  // Throws Failure for a value that is wrong, and for an address beyond loopback that nothing
  // guards. Options that the type does not know have been refused.
  OutletPlan (*read)(const spec::Spec& spec, const OutletDefaults& defaults);
};

}  // namespace qanat::outlets
