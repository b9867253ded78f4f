#include "spec/type_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/suggest.h"

namespace qanat::spec {

void refuse_type(std::string_view kind, std::string_view name,
                 const std::vector<std::string_view>& known, std::string_view and_more) {
  const std::string meant = did_you_mean(name, known);
  throw Failure(fmt::format(
      "unknown {} '{}'{}", kind, name,
      meant.empty() ? fmt::format(": known are {}{}", fmt::join(known, ", "), and_more) : meant));
}

void check_options(const Spec& spec, std::initializer_list<std::string_view> known) {
  std::vector<std::string_view> all;
  for (const std::string_view list : known) {
    const auto words = words_of(list);
    all.insert(all.end(), words.begin(), words.end());
  }
  std::set<std::string> given;
  for (const auto& [key, value] : spec.options) {
    const std::string plain = plain_key(key);
    if (std::find(all.begin(), all.end(), plain) == all.end()) {
      const std::string meant = did_you_mean(plain, all);
      throw Failure(fmt::format(
          "{}: unknown option '{}'{}", spec.text, key,
          meant.empty() ? fmt::format("; known here: {}", fmt::join(all, " ")) : meant));
    }
    if (!given.insert(plain).second) {
      throw Failure(fmt::format("{}: {} is given twice, with '-' and with '_'", spec.text, plain));
    }
  }
}

}  // namespace qanat::spec
