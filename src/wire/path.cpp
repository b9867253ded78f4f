#include "wire/path.h"

#include <algorithm>
#include <set>

namespace qanat::wire {

namespace {

constexpr std::string_view and_others = "*";

bool is_id(std::string_view text) {
  return (text.size() == node_id_digits || text.size() == short_id_digits) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

std::string encode(const Path& path) {
  std::string text;
  if (path.size() <= most_full_ids) {
    for (const std::string& id : path) text += (text.empty() ? "" : ", ") + id;
    return text;
  }
  std::set<std::string_view> named;
  for (const std::string& id : path) {
    const std::string_view half = std::string_view(id).substr(0, short_id_digits);
    if (!named.insert(half).second) continue;
    if (!text.empty()) text += ',';
    if (named.size() > most_path_nodes) return text.append(and_others);
    text += half;
  }
  return text;
}

std::optional<Path> decode_path(std::string_view text) {
  Path path;
  while (!text.empty()) {
    const std::string_view id = text.substr(0, text.find(','));
    text.remove_prefix(id.size());
    if (id == and_others && text.empty() && !path.empty()) break;
    if (path.size() == most_path_nodes || !is_id(id)) return std::nullopt;
    path.emplace_back(id);
    if (text.empty()) break;
    text.remove_prefix(1);
    while (text.starts_with(' ')) text.remove_prefix(1);
    if (text.empty()) return std::nullopt;
  }
  return path;
}

bool leads_through(const Path& path, std::string_view id) {
  const std::string_view half = id.substr(0, short_id_digits);
  return std::any_of(path.begin(), path.end(),
                     [&](const std::string& node) { return node == id || node == half; });
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
