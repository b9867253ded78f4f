#include "cli/upstream_argument.h"

#include <fmt/core.h>
#include <unistd.h>

#include "base/files.h"
#include "cli/command.h"
#include "sources/registry.h"
#include "sources/upstream/kept_join_strings.h"
#include "sources/upstream/names.h"
#include "wire/join_string.h"

namespace qanat::cli {

namespace {

constexpr std::size_t most_bytes = 4096;

// A join string, however it was wrapped; else the first line. `where`: whose content it is.
std::string meant_in(Bytes content, const std::string& where) {
  std::string text = wire::untangled(as_text(content));
  if (text.empty()) throw Failure(where + " is empty");
  if (sources::holds_several(text)) {
    const std::string why = sources::why_not_alone(text);
    wire::wipe_text(text);
    throw Failure(fmt::format("{}: {}", where, why));
  }
  if (wire::find_join_string(text) == std::string::npos) text = text.substr(0, text.find('\n'));
  std::string meant = wire::untangled(text);
  wire::wipe_text(text);  // no copy is left behind
  return meant;
}

// Throws what is wrong with an argument that is no join string.
void check_here(const std::string& text) {
  try {
    (void)sources::parse_upstream(text);
  } catch (const Failure& problem) {
    // The slip that is made most.
    const bool file = !sources::is_upstream(text) && ::access(text.c_str(), F_OK) == 0;
    throw UsageError(fmt::format("{}{}", problem.what(),
                                 file ? fmt::format("; did you mean '@{}'?", text) : ""));
  }
}

}  // namespace

std::string read_upstream_argument(const std::string& argument) {
  std::string text = argument;
  const bool here = argument != "-" && !argument.starts_with('@');
  if (argument == "-") {
    WipedArray<most_bytes> content;
    const auto size = read_all(STDIN_FILENO, "standard input", content.view());
    if (!size) throw Failure(size.error().message);
    text = meant_in(Bytes(content.view()).first(*size), "standard input");
  } else if (argument.starts_with('@')) {
    const std::string path = argument.substr(1);
    const auto content = read_secret_file(path, most_bytes);
    if (!content) throw Failure(content.error().message);
    text = meant_in(content->view(), path);
  }
  text = sources::keep_join_strings(std::move(text));
  // Bad ones are refused before anything starts. A damaged join string is no slip of usage.
  if (here && !wire::looks_like_join_string(text)) {
    check_here(text);
  } else {
    (void)sources::parse_upstream(text);
  }
  return text;
}

}  // namespace qanat::cli
