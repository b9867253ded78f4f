// Reading one TOML document, and saying where things are wrong in it. For config.cpp alone: toml++
// takes seconds to compile.
#pragma once

#include <fmt/core.h>

// toml++ 3.3 fails its own assertions in some malformed texts, and then reports them as it should
// (found by fuzzing): the same in every build, so that the sanitizers see what runs in the field.
#define TOML_ASSERT(condition) static_cast<void>(0)
#include <toml++/toml.h>

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/quantity.h"
#include "base/suggest.h"
#include "sources/upstream/names.h"

namespace qanat::node {

// Reads one TOML document and says where things are wrong in it.
class TomlReader {
 public:
  explicit TomlReader(const std::string& path) : path_(path) {}

  [[noreturn]] void fail(const toml::source_region& at, const std::string& what) const {
    throw Failure(fmt::format("{}:{}:{}: {}", path_, at.begin.line, at.begin.column, what));
  }
  [[noreturn]] void fail(const toml::node& node, const std::string& what) const {
    fail(node.source(), what);
  }

  void only(const toml::table& table, const std::string& where,
            std::initializer_list<std::string_view> known) const {
    for (const auto& [key, node] : table) {
      if (std::find(known.begin(), known.end(), key.str()) != known.end()) continue;
      std::string list = did_you_mean(key.str(), {known.begin(), known.size()});
      if (list.empty()) {
        list = "; known:";
        for (const std::string_view name : known) list += fmt::format(" {}", name);
      }
      fail(key.source(),
           fmt::format("{}{}{}: unknown key{}", where, where.empty() ? "" : ".", key.str(), list));
    }
  }

  // A text that `parse` understands.
  template <typename T, typename Parse>
  void read(const toml::table& table, const std::string& where, std::string_view key, T& out,
            const Parse& parse, std::string_view example) const {
    const toml::node* const node = table.get(key);
    if (node == nullptr) return;
    std::string text;
    if (const auto* s = node->as_string()) {
      text = s->get();
    } else if (const auto* i = node->as_integer()) {
      text = std::to_string(i->get());
    }
    const auto value = parse(text);
    if (!value) fail(*node, fmt::format("{}.{}: write it like {}", where, key, example));
    out = static_cast<T>(*value);
  }

  void size(const toml::table& t, const std::string& where, std::string_view key, auto& out) const {
    read(t, where, key, out, parse_size, "256 or \"256KiB\"");
  }
  void rate(const toml::table& t, const std::string& where, std::string_view key, auto& out) const {
    read(t, where, key, out, parse_rate, "\"1KiB/s\"");
  }
  void duration(const toml::table& t, const std::string& where, std::string_view key,
                Duration& out) const {
    read(t, where, key, out, parse_duration, "\"60s\"");
  }

  // A value that must lie between two others, as they are written.
  struct Range {
    std::string_view least;
    std::string_view most;
  };
  void size(const toml::table& t, const std::string& where, std::string_view key, auto& out,
            const Range& range) const {
    size(t, where, key, out);
    check(t, where, key, range, out >= *parse_size(range.least) && out <= *parse_size(range.most));
  }
  void duration(const toml::table& t, const std::string& where, std::string_view key, Duration& out,
                const Range& range) const {
    duration(t, where, key, out);
    check(t, where, key, range,
          out >= *parse_duration(range.least) && out <= *parse_duration(range.most));
  }

  // One of two or more words.
  template <typename Value>
  void word(const toml::table& table, const std::string& where, std::string_view key, Value& out,
            std::initializer_list<std::pair<std::string_view, Value>> words) const {
    const toml::node* const node = table.get(key);
    if (node == nullptr) return;
    const auto text = node->value<std::string>();
    std::string list;
    for (const auto& [each, value] : words) {
      if (text && *text == each) {
        out = value;
        return;
      }
      list += fmt::format("{}\"{}\"", list.empty() ? "" : " or ", each);
    }
    fail(*node, fmt::format("{}.{}: must be {}", where, key, list));
  }

  // One command, or a list of them.
  void commands(const toml::table& table, const std::string& where, std::string_view key,
                std::vector<std::string>& out) const {
    const toml::node* const node = table.get(key);
    if (node == nullptr) return;
    const auto add = [&](const toml::node& item) {
      const auto* text = item.as_string();
      if (text == nullptr || text->get().empty()) {
        fail(item, fmt::format("{}.{}: write commands for /bin/sh, such as [\"systemctl reload "
                               "nginx\"]",
                               where, key));
      }
      out.push_back(text->get());
    };
    if (const toml::array* const list = node->as_array()) {
      for (const toml::node& item : *list) add(item);
    } else {
      add(*node);
    }
  }

  // A name with its options: `name = "device:/dev/ttyUSB0"` and any other key as an option.
  std::string spec(const toml::table& table, const std::string& where, std::string_view example,
                   std::string_view without = {}) const {
    std::string text = name(table, where, example);
    char mark = text.find('?') == std::string::npos ? '?' : '&';
    for (const auto& [key, node] : table) {
      if (key.str() == "name" || key.str() == without) continue;
      text += fmt::format("{}{}={}", mark, key.str(), option(node, where, key.str()));
      mark = '&';
    }
    return text;
  }

  std::string name(const toml::table& table, const std::string& where,
                   std::string_view example) const {
    const toml::node* const name = table.get("name");
    if (name == nullptr) {
      std::string keys;
      for (const auto& [key, node] : table) keys += fmt::format(" {}", key.str());
      fail(table, fmt::format("{}: has no name, such as name = \"{}\"{}", where, example,
                              keys.empty() ? "" : "; it has" + keys));
    }
    if (!name->is_string()) {
      fail(*name, fmt::format("{}.name: must be a text, such as \"{}\"", where, example));
    }
    const std::string& text = name->as_string()->get();
    // As a join string is copied from a page or a mail.
    constexpr std::string_view blanks = " \t\r\n";
    const std::size_t begin = std::min(text.find_first_not_of(blanks), text.size());
    const std::string trimmed = text.substr(begin, text.find_last_not_of(blanks) + 1 - begin);
    return sources::is_upstream(trimmed) ? trimmed : text;
  }

  // `check` with the table's spec; what it says is wrong is said of the key at fault: the one
  // without which nothing is wrong, or something else.
  template <typename Check>
  auto checked(const toml::table& table, const std::string& where, std::string_view example,
               const Check& check) const {
    const auto complaint = [&](const std::string& text) -> std::string {
      try {
        check(text);
        return "";
      } catch (const Failure& problem) {
        std::string what = problem.what();
        // Failures begin with the name that they are of, perhaps in quotes.
        if (const auto at = what.find(text); at <= 1) what.erase(at, text.size());
        return what;
      }
    };
    const std::string whole = spec(table, where, example);
    try {
      return check(whole);
    } catch (const Failure& problem) {
      const toml::node* at = table.get("name");
      const std::string said = complaint(whole);
      for (const auto& [key, node] : table) {
        if (key.str() == "name") continue;
        if (complaint(spec(table, where, example, key.str())) != said) at = &node;
      }
      fail(*at, fmt::format("{}: {}", where, problem.what()));
    }
  }

  const toml::table* section(const toml::table& root, std::string_view key) const {
    const toml::node* const node = root.get(key);
    if (node != nullptr && !node->is_table()) {
      fail(*node, fmt::format("{}: must be a section, [{}]", key, key));
    }
    return node == nullptr ? nullptr : node->as_table();
  }

  template <typename Each>
  void list(const toml::table& root, std::string_view key, const Each& each) const {
    const toml::node* const node = root.get(key);
    if (node == nullptr) return;
    const toml::array* const array = node->as_array();
    if (array == nullptr) fail(*node, fmt::format("{}: must be a list, [[{}]]", key, key));
    for (const toml::node& item : *array) {
      const toml::table* const table = item.as_table();
      if (table == nullptr) fail(item, fmt::format("{}: must be a list, [[{}]]", key, key));
      each(*table);
    }
  }

 private:
  void check(const toml::table& table, const std::string& where, std::string_view key,
             const Range& range, bool good) const {
    if (good) return;
    fail(*table.get(key), fmt::format("{}.{}: from {} to {}", where, key, range.least, range.most));
  }

  std::string option(const toml::node& node, const std::string& where, std::string_view key) const {
    std::string text;
    if (const auto* s = node.as_string()) {
      text = s->get();
    } else if (const auto* i = node.as_integer()) {
      text = std::to_string(i->get());
    } else if (const auto* f = node.as_floating_point()) {
      text = fmt::format("{}", f->get());
    } else if (const auto* b = node.as_boolean()) {
      text = b->get() ? "yes" : "no";
    } else {
      fail(node, fmt::format("{}.{}: must be a text, a number, true or false", where, key));
    }
    std::string escaped;
    for (const char c : text) escaped += c == '%' ? "%25" : c == '&' ? "%26" : std::string(1, c);
    return escaped;
  }

  const std::string& path_;
};

}  // namespace qanat::node
