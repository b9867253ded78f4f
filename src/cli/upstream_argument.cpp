#include "cli/upstream_argument.h"

#include "base/files.h"
#include "sources/registry.h"

namespace qanat::cli {

std::string read_upstream_argument(const std::string& argument) {
  std::string text = argument;
  if (argument == "-" || argument.starts_with('@')) {
    const auto content = read_file(argument == "-" ? "/dev/stdin" : argument.substr(1), 4096);
    if (!content) throw Failure(content.error().message);
    text = content->substr(0, content->find('\n'));
  }
  (void)sources::parse_upstream(text);  // bad ones are refused before anything starts
  return text;
}

}  // namespace qanat::cli
