#include "observe/fields.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>

#include "base/quantity.h"
#include "base/shown.h"

namespace qanat::observe {

namespace json = boost::json;

const json::value* Fields::find(std::string_view key) const {
  if (value_ == nullptr || !value_->is_object()) return nullptr;
  const json::value* const found = value_->get_object().if_contains(key);
  return found == nullptr || found->is_null() ? nullptr : found;
}

std::string Fields::text(std::string_view key) const {
  const auto* const found = find(key);
  if (found == nullptr || !found->is_string()) return "";
  const json::string& string = found->get_string();
  return shown(string, string.size());
}

double Fields::number(std::string_view key) const {
  const auto* const found = find(key);
  return found != nullptr && found->is_number() ? found->to_number<double>() : 0;
}

bool Fields::flag(std::string_view key) const {
  const auto* const found = find(key);
  return found != nullptr && found->is_bool() && found->get_bool();
}

Fields Fields::part(std::string_view key) const {
  Fields part;
  part.value_ = find(key);
  return part;
}

std::vector<Fields> Fields::list(std::string_view key) const {
  const auto* const found = find(key);
  std::vector<Fields> items;
  if (found == nullptr || !found->is_array()) return items;
  for (const json::value& item : found->get_array()) items.emplace_back(item);
  return items;
}

std::vector<std::optional<double>> Fields::numbers(std::string_view key) const {
  const auto* const found = find(key);
  std::vector<std::optional<double>> values;
  if (found == nullptr || !found->is_array()) return values;
  for (const json::value& item : found->get_array()) {
    values.push_back(item.is_number() ? std::optional(item.to_number<double>()) : std::nullopt);
  }
  return values;
}

std::vector<std::pair<std::string, double>> Fields::counters() const {
  std::vector<std::pair<std::string, double>> found;
  if (value_ == nullptr || !value_->is_object()) return found;
  for (const auto& [key, value] : value_->get_object()) {
    const double count = value.is_number() ? value.to_number<double>() : 0;
    if (count != 0) found.emplace_back(shown(key), count);
  }
  return found;
}

std::string cut(const std::string& name, std::size_t limit) {
  if (name.size() <= limit) return name;
  constexpr std::string_view gap = "..";
  if (limit <= gap.size()) return name.substr(0, limit);
  const std::size_t end = (limit - gap.size()) / 2;
  return fmt::format("{}{}{}", name.substr(0, limit - gap.size() - end), gap,
                     name.substr(name.size() - end));
}

std::vector<std::string> wrap(const std::string& text, std::size_t width) {
  width = std::max<std::size_t>(width, 1);
  std::vector<std::string> lines;
  std::string line;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    std::string word = text.substr(at, end - at);
    at = end + 1;
    if (!line.empty() && line.size() + 1 + word.size() > width) {
      lines.push_back(std::move(line));
      line.clear();
    }
    while (word.size() > width) {
      lines.push_back(word.substr(0, width));
      word.erase(0, width);
    }
    if (!line.empty()) line += ' ';
    line += word;
  }
  if (!line.empty() || lines.empty()) lines.push_back(std::move(line));
  return lines;
}

namespace {

std::string whole_seconds(double time) {
  if (time < 60) return fmt::format("{:.0f} s", std::floor(time));
  return format_duration(std::chrono::seconds(static_cast<std::int64_t>(time)));
}

}  // namespace

std::string ago(double time, double now) {
  if (time <= 0) return "never";
  return now - time < 1 ? "now" : whole_seconds(now - time);
}

std::string since(double time, double now) {
  const std::string words = ago(time, now);
  return time > 0 && now - time >= 1 ? words + " ago" : words;
}

std::string until(double time, double now) {
  if (time <= 0) return "never";
  return time - now < 1 ? "now" : "in " + whole_seconds(time - now);
}

double refusals(const Fields& outlet) {
  double sum = 0;
  for (const auto& [reason, count] : outlet.part("refused").counters()) {
    if (reason != "undelivered_bytes") sum += count;
  }
  return sum;
}

}  // namespace qanat::observe
