// How both registries find the type that a name names, and refuse what it does not know.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "spec/spec.h"

namespace qanat::spec {

// `types`: a range of pointers to types, each with a `name`. Null when none has this one.
template <typename Types>
auto find_type(const Types& types, std::string_view name) -> typename Types::value_type {
  const auto found = std::find_if(types.begin(), types.end(),
                                  [&](const auto* type) { return type->name == name; });
  return found == types.end() ? nullptr : *found;
}

// Throws Failure: no type of this kind ("source", "outlet") has this name; which one was probably
// meant, or which there are.
[[noreturn]] void refuse_type(std::string_view kind, std::string_view name,
                              const std::vector<std::string_view>& known,
                              std::string_view and_more = {});

// Throws Failure for an option that is in none of these lists, each of words with blanks between
// them, and says which was probably meant, or which there are.
void check_options(const Spec& spec, std::initializer_list<std::string_view> known);

}  // namespace qanat::spec
