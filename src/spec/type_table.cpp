#include "spec/type_table.h"

#include <fmt/core.h>

namespace qanat::spec {

void check_options(const Spec& spec, std::initializer_list<std::string_view> known) {
  std::string all;
  for (const std::string_view list : known) {
    if (list.empty()) continue;
    if (!all.empty()) all += ' ';
    all += list;
  }
  const std::string padded = fmt::format(" {} ", all);
  for (const auto& [key, value] : spec.options) {
    if (padded.find(fmt::format(" {} ", key)) == std::string::npos) {
      throw Failure(fmt::format("{}: unknown option '{}'; known here: {}", spec.text, key, all));
    }
  }
}

}  // namespace qanat::spec
