// A table that fits any width: what is wider shows more columns, longer names and longer pictures.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/top/line.h"

namespace qanat::cli::top {

struct Column {
  std::string title;
  std::size_t width;
  bool extra = false;  // shown where there is room for it; the first of them first
};

class Table {
 public:
  // Draws a row's picture in so many columns.
  using Picture = std::function<std::string(std::size_t)>;
  struct Row {
    std::string name;
    std::vector<Span> cells;  // one for each column
    Picture picture = nullptr;
    std::vector<Line> notes = {};  // below it, as they are
  };

  // What is named, what is told of each, and what its picture shows (empty: it has no picture).
  Table(std::string title, std::vector<Column> columns, std::string picture = "");

  void add(Row row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.empty(); }
  // The heading and the rows.
  std::vector<Line> lines(std::size_t width) const;

 private:
  struct Layout {
    std::size_t name = 0;
    std::size_t picture = 0;  // 0: left out
    std::vector<bool> shown;
  };
  Layout layout(std::size_t width) const;

  std::string title_;
  std::vector<Column> columns_;
  std::string picture_;
  std::vector<Row> rows_;
};

}  // namespace qanat::cli::top
