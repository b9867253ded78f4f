#include "outlets/registry.h"

#include <fmt/core.h>

#include <array>

#include "base/quantity.h"
#include "base/run_directory.h"
#include "serve/options.h"
#include "spec/options.h"
#include "spec/type_table.h"
#include "wire/join_string.h"

namespace qanat::outlets {

// One line a type, in the order of --help; NAME.cpp defines NAME_type.
#define QANAT_OUTLET_TYPES(TYPE) \
  TYPE(https)                    \
  TYPE(http)                     \
  TYPE(trickle)                  \
  TYPE(egd)                      \
  TYPE(raw)                      \
  TYPE(rngnet)                   \
  TYPE(netrng)                   \
  TYPE(broker)                   \
  TYPE(vmport)                   \
  TYPE(vsock)                    \
  TYPE(xenstore)                 \
  TYPE(kernel)                   \
  TYPE(file)                     \
  TYPE(stdout)                   \
  TYPE(fifo)

#define DECLARE(NAME) extern const OutletType NAME##_type;
QANAT_OUTLET_TYPES(DECLARE)
#undef DECLARE

namespace {

#define ADDRESS(NAME) &NAME##_type,
constexpr std::array types{QANAT_OUTLET_TYPES(ADDRESS)};
#undef ADDRESS

// Of all outlets.
constexpr std::string_view common_options = "rate burst weight";

}  // namespace

OutletPlan plan_outlet(const std::string& text, const OutletDefaults& defaults) {
  wire::refuse_part_of_key(text);
  const spec::Spec spec = spec::require_spec(text);
  const OutletType* const type = spec::find_type(types, spec.type);
  if (type == nullptr) {
    spec::refuse_type("outlet", spec.type, type_names());
  }
  spec::check_options(spec, {type->options, common_options});
  OutletPlan plan = type->read(spec, defaults);
  const share::Terms terms = serve::terms_of(spec);
  if (terms.rate > 0) plan.note += "; promised " + format_rate(static_cast<double>(terms.rate));
  if (terms.weight != 1) plan.note += fmt::format("; weight {:g}", terms.weight);
  return plan;
}

std::vector<std::string> default_outlets() {
  std::vector<std::string> outlets{"http://127.0.0.1:7748"};
  // As open as HTTP on loopback is. No user can take the others' share, nor all connections.
  const std::string directory = run_directory();
  if (!directory.empty()) outlets.push_back("egd:" + directory + "/egd?mode=0666");
  return outlets;
}

std::vector<std::string_view> type_names() {
  std::vector<std::string_view> names;
  for (const OutletType* type : types) names.push_back(type->name);
  return names;
}

std::vector<std::string> outlet_help() {
  std::vector<std::string> lines;
  for (const OutletType* type : types) {
    lines.push_back(fmt::format("{}  {}{}{}", type->name, type->summary,
                                type->options.empty() ? "" : "; options: ", type->options));
  }
  return lines;
}

}  // namespace qanat::outlets
