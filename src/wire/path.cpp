#include "wire/path.h"

#include <algorithm>

namespace qanat::wire {

std::string encode(const Path& path) {
  std::string text;
  for (const std::string& id : path) text += (text.empty() ? "" : ", ") + id;
  return text;
}

std::optional<Path> decode_path(std::string_view text) {
  Path path;
  while (!text.empty()) {
    if (path.size() == most_path_nodes) return std::nullopt;
    const std::string_view id = text.substr(0, node_id_digits);
    const bool digits = std::all_of(id.begin(), id.end(), [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    });
    if (id.size() != node_id_digits || !digits) return std::nullopt;
    path.emplace_back(id);
    text.remove_prefix(node_id_digits);
    if (text.empty()) break;
    if (text.front() != ',') return std::nullopt;
    text.remove_prefix(1);
    while (text.starts_with(' ')) text.remove_prefix(1);
    if (text.empty()) return std::nullopt;
  }
  return path;
}

std::optional<std::string_view> path_of_chunk(std::string_view extensions) {
  constexpr std::string_view key = ";path=\"";
  const auto begin = extensions.find(key);
  if (begin == std::string_view::npos) return std::nullopt;
  const std::string_view rest = extensions.substr(begin + key.size());
  const auto end = rest.find('"');
  if (end == std::string_view::npos) return std::nullopt;
  return rest.substr(0, end);
}

}  // namespace qanat::wire
