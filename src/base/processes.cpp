#include "base/processes.h"

#include <fmt/core.h>

#include <filesystem>

#include "base/files.h"
#include "base/quantity.h"
#include "base/shown.h"

namespace qanat {
namespace {

std::vector<int> numbered_entries(const std::string& directory) {
  std::vector<int> numbers;
  std::error_code problem;
  // Not by range: that throws when the process ends in the middle.
  for (std::filesystem::directory_iterator at(directory, problem), end; !problem && at != end;
       at.increment(problem)) {
    if (const auto number = parse_number<int>(at->path().filename().string())) {
      numbers.push_back(*number);
    }
  }
  return numbers;
}

}  // namespace

std::vector<pid_t> list_processes() { return numbered_entries("/proc"); }

std::vector<std::string> open_files_of(pid_t process) {
  const std::string directory = fmt::format("/proc/{}/fd", process);
  std::vector<std::string> paths;
  for (const int fd : numbered_entries(directory)) {
    paths.push_back(fmt::format("{}/{}", directory, fd));
  }
  return paths;
}

std::string name_of_process(pid_t process) {
  std::string name = read_file(fmt::format("/proc/{}/comm", process), 256).value_or("?");
  if (name.ends_with('\n')) name.pop_back();
  return shown(name);
}

}  // namespace qanat
