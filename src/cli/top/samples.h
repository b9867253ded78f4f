// What a node's figures were in the last minutes: from its own history, and from each document that
// was seen since. Times are seconds of one steady clock.
#pragma once

#include <boost/json/value.hpp>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace qanat::cli::top {

class Samples {
 public:
  static constexpr double kept = 600;  // seconds

  // What `/v1/history` said; its newest sample is of `now`.
  void load(const boost::json::value& history, double now);
  // A status document as of `now`, later than those before.
  void add(const boost::json::value& document, double now);

  // The last `span` seconds in so many means, oldest first; nullopt where nothing is known. `kind`
  // and `of` as in /v1/history: "reserve" and "", "source_rate" and the source's name.
  std::vector<std::optional<double>> means(const std::string& kind, const std::string& of,
                                           std::size_t count, double span, double now) const;
  // The newest, while it is one of the last document; nullopt before there is one.
  std::optional<double> newest(const std::string& kind, const std::string& of) const;
  // What a client draws, bytes a second over the last seconds; nullopt when seen once only.
  std::optional<double> client_rate(const std::string& name) const;

 private:
  using Key = std::pair<std::string, std::string>;  // kind, of
  struct Point {
    double time;
    double value;
  };
  using Points = std::deque<Point>;

  void keep(const Key& key, double value, double now);
  // A total that grows; what it grew by a second is kept where the node does not say it itself.
  std::optional<double> growth(const Key& key, double total, double now);

  std::map<Key, Points> series_;
  std::map<Key, Points> totals_;
  double step_ = 1;  // between two documents, as seen last
  double last_ = 0;
};

}  // namespace qanat::cli::top
