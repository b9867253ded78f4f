#include "spec/grade.h"

namespace qanat::spec {

std::string_view to_string(Grade grade) { return grade == Grade::full ? "full" : "drbg"; }

std::optional<Grade> parse_grade(std::string_view text) {
  if (text == "full") return Grade::full;
  if (text == "drbg") return Grade::drbg;
  return std::nullopt;
}

}  // namespace qanat::spec
