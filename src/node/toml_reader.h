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
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/quantity.h"
#include "base/suggest.h"
#include "sources/upstream/kept_join_strings.h"
#include "sources/upstream/names.h"
#include "spec/spec.h"
#include "wire/join_string.h"

namespace qanat::node {

// Reads one TOML document and says where things are wrong in it. What is wrong is noted, and its
// key taken for one that is not there, so that all of a document's mistakes are found at once.
class TomlReader {
 public:
  explicit TomlReader(const std::string& path) : path_(path) {}

  // "qanat.toml:12:1"
  std::string place(const toml::source_region& at) const {
    return fmt::format("{}:{}:{}", path_, at.begin.line, at.begin.column);
  }
  // Of a key that may stand in either spelling.
  std::string place(const toml::table& table, std::string_view key) const {
    const toml::node* const node = find(table, key);
    return node == nullptr ? "" : place(node->source());
  }

  void note(const toml::source_region& at, const std::string& what) const {
    problems_.emplace_back(at.begin.line, place(at) + ": " + what);
  }
  void note(const toml::node& node, const std::string& what) const { note(node.source(), what); }
  // For what nothing can be made of without it: ends the item of a list that it is in.
  [[noreturn]] void fail(const toml::node& node, const std::string& what) const {
    note(node, what);
    throw Noted();
  }
  // In the order of the lines.
  std::vector<std::string> problems() const {
    auto sorted = problems_;
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const auto& one, const auto& other) { return one.first < other.first; });
    std::vector<std::string> lines;
    for (auto& [line, what] : sorted) lines.push_back(std::move(what));
    return lines;
  }

  // A key is documented with '-' between its words, and may be written with '_'.
  static const toml::node* find(const toml::table& table, std::string_view key) {
    for (const auto& [written, node] : table) {
      if (spec::plain_key(written.str()) == key) return &node;
    }
    return nullptr;
  }

  void only(const toml::table& table, const std::string& where,
            std::initializer_list<std::string_view> known) const {
    std::set<std::string> given;
    for (const auto& [key, node] : table) {
      const std::string plain = spec::plain_key(key.str());
      const std::string name = fmt::format("{}{}{}", where, where.empty() ? "" : ".", key.str());
      if (std::find(known.begin(), known.end(), plain) == known.end()) {
        std::string list = did_you_mean(plain, {known.begin(), known.size()});
        if (list.empty()) {
          list = "; known:";
          for (const std::string_view each : known) list += fmt::format(" {}", each);
        }
        note(key.source(), fmt::format("{}: unknown key{}", name, list));
      } else if (!given.insert(plain).second) {
        note(key.source(), name + ": is there twice, with '-' and with '_'; leave one out");
      }
    }
  }

  // A value that must lie between two others, as they are written.
  struct Range {
    std::string_view least;
    std::string_view most;
  };
  // How many: a number. 0 may mean "no limit", where the range has it.
  void count(const toml::table& t, const std::string& where, std::string_view key, auto& out,
             const Range& range) const {
    read(t, where, key, out, parse_size, fmt::format("write a number {}", range_of(range)), &range);
  }
  void size(const toml::table& t, const std::string& where, std::string_view key, auto& out) const {
    read(t, where, key, out, parse_size, R"(write a size in bytes, like 4096 or "256KiB")");
  }
  void size(const toml::table& t, const std::string& where, std::string_view key, auto& out,
            const Range& range) const {
    read(t, where, key, out, parse_size,
         fmt::format(R"(write a size {}, like 65536 or "256KiB")", range_of(range)), &range);
  }
  void rate(const toml::table& t, const std::string& where, std::string_view key, auto& out) const {
    read(t, where, key, out, parse_rate, R"(write a rate, like "1KiB/s")");
  }
  void duration(const toml::table& t, const std::string& where, std::string_view key, Duration& out,
                const Range& range) const {
    read(t, where, key, out, parse_duration,
         fmt::format(R"(write a time {}, like "60s")", range_of(range)), &range);
  }

  // One of two or more words.
  template <typename Value>
  void word(const toml::table& table, const std::string& where, std::string_view key, Value& out,
            std::initializer_list<std::pair<std::string_view, Value>> words) const {
    const toml::node* const node = find(table, key);
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
    note(*node, fmt::format("{}.{}: must be {}", where, key, list));
  }

  // One command, or a list of them.
  void commands(const toml::table& table, const std::string& where, std::string_view key,
                std::vector<std::string>& out) const {
    const toml::node* const node = find(table, key);
    if (node == nullptr) return;
    const auto add = [&](const toml::node& item) {
      const auto* text = item.as_string();
      if (text != nullptr && !text->get().empty()) return out.push_back(text->get());
      note(item, fmt::format("{}.{}: write commands for /bin/sh, such as [\"systemctl reload "
                             "nginx\"]",
                             where, key));
    };
    if (const toml::array* const list = node->as_array()) {
      for (const toml::node& item : *list) add(item);
    } else {
      add(*node);
    }
  }

  // A name with its options: `name = "device:/dev/ttyUSB0"` and any other key as an option.
  std::string spec(const toml::table& table, const std::string& where, std::string_view example,
                   const std::set<std::string_view>& without = {}) const {
    std::string text = name(table, where, example);
    char mark = text.find('?') == std::string::npos ? '?' : '&';
    for (const auto& [key, node] : table) {
      if (key.str() == "name" || without.contains(key.str())) continue;
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
    // As a join string is copied from a page or a mail, on one line or several.
    std::string meant = sources::keep_join_strings(wire::untangled(text));
    return sources::is_upstream(meant) ? meant : text;
  }

  // `check` with the table's spec; what it says is wrong is said of the key at fault: the one
  // without which nothing is wrong, or something else. Then the same without that key.
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
    for (std::set<std::string_view> without;;) {
      const std::string text = spec(table, where, example, without);
      try {
        auto good = check(text);
        if (without.empty()) return good;
        throw Noted();
      } catch (const Failure& problem) {
        const std::string said = complaint(text);
        std::string_view wrong;
        for (const auto& [key, node] : table) {
          if (key.str() == "name" || without.contains(key.str())) continue;
          auto less = without;
          less.insert(key.str());
          if (complaint(spec(table, where, example, less)) != said) wrong = key.str();
        }
        const toml::node* const at = table.get(wrong.empty() ? "name" : wrong);
        note(*at, fmt::format("{}: {}", where, problem.what()));
        if (wrong.empty()) throw Noted();
        without.insert(wrong);
      }
    }
  }

  const toml::table* section(const toml::table& root, std::string_view key) const {
    const toml::node* const node = root.get(key);
    if (node != nullptr && !node->is_table()) {
      note(*node, fmt::format("{}: must be a section, [{}]", key, key));
    }
    return node == nullptr ? nullptr : node->as_table();
  }

  template <typename Each>
  void list(const toml::table& root, std::string_view key, const Each& each) const {
    const toml::node* const node = root.get(key);
    if (node == nullptr) return;
    const toml::array* const array = node->as_array();
    const std::string wanted = fmt::format("{}: must be a list, [[{}]]", key, key);
    if (array == nullptr) return note(*node, wanted);
    for (const toml::node& item : *array) {
      const toml::table* const table = item.as_table();
      if (table == nullptr) {
        note(item, wanted);
        continue;
      }
      try {
        each(*table);
      } catch (const Noted&) {
        continue;
      }
    }
  }

 private:
  struct Noted {};

  // A text that `parse` understands, within `range` where there is one.
  template <typename T, typename Parse>
  void read(const toml::table& table, const std::string& where, std::string_view key, T& out,
            const Parse& parse, const std::string& wanted, const Range* range = nullptr) const {
    const toml::node* const node = find(table, key);
    if (node == nullptr) return;
    std::string text;
    if (const auto* s = node->as_string()) {
      text = s->get();
    } else if (const auto* i = node->as_integer()) {
      text = std::to_string(i->get());
    }
    const std::string name = fmt::format("{}.{}", where, written(table, key));
    const auto value = parse(text);
    if (!value) return note(*node, fmt::format("{}: {}", name, wanted));
    if (range != nullptr && (*value < *parse(range->least) || *value > *parse(range->most))) {
      return note(*node, fmt::format("{}: {}", name, wanted));
    }
    out = static_cast<T>(*value);
  }

  static std::string range_of(const Range& range) {
    return fmt::format("from {} to {}", range.least, range.most);
  }
  // A key as it stands in the document.
  static std::string written(const toml::table& table, std::string_view key) {
    for (const auto& [name, node] : table) {
      if (spec::plain_key(name.str()) == key) return std::string(name.str());
    }
    return std::string(key);
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
  mutable std::vector<std::pair<toml::source_index, std::string>> problems_;  // with their lines
};

}  // namespace qanat::node
