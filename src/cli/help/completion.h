// What a shell needs to complete the words of a command line by itself.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/help/tree.h"

namespace qanat::cli::help {

// Types of sources and outlets; one that is followed by something ends with ':'.
struct Names {
  std::vector<std::string> sources;
  std::vector<std::string> outlets;
};

// The script for "bash", "zsh" or "fish".
std::string bash_completion(const Command& program, const Names& names);
std::string zsh_completion(const Command& program, const Names& names);
std::string fish_completion(const Command& program, const Names& names);

}  // namespace qanat::cli::help
