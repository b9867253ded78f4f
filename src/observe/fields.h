// Reading a status document, of this version or of another: what is missing is empty, 0 or no.
#pragma once

#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qanat::observe {

// An object of the document, or nothing. Refers to the document, which must outlive it.
class Fields {
 public:
  explicit Fields(const boost::json::value& value) : value_(&value) {}

  bool has(std::string_view key) const { return find(key) != nullptr; }
  // What can be printed of it ('?' for the rest): names come from files and from peers.
  std::string text(std::string_view key) const;
  double number(std::string_view key) const;
  bool flag(std::string_view key) const;
  Fields part(std::string_view key) const;
  std::vector<Fields> list(std::string_view key) const;
  // Of a list of numbers; nullopt for what is none.
  std::vector<std::optional<double>> numbers(std::string_view key) const;
  // Of an object of counters: those that are not 0, in its order.
  std::vector<std::pair<std::string, double>> counters() const;

 private:
  Fields() = default;
  const boost::json::value* find(std::string_view key) const;  // null and missing are alike

  const boost::json::value* value_ = nullptr;
};

// At most `limit` characters: cut in the middle, where names differ least.
std::string cut(const std::string& name, std::size_t limit);
// Whole words, in lines of at most `width`; a word that is longer is broken.
std::vector<std::string> wrap(const std::string& text, std::size_t width);
// How long before `now` it was: "12 s", "3 min 2 s", "now", "never" (for 0). Seconds since 1970.
std::string ago(double time, double now);
// The same, in a sentence: "12 s ago".
std::string since(double time, double now);
// How long after `now` it will be: "in 12 s", "now", "never".
std::string until(double time, double now);
// Of requests that an outlet refused, by reason; what was not taken by who had asked is none.
double refusals(const Fields& outlet);

}  // namespace qanat::observe
