#include "cli/top/table.h"

#include <algorithm>

#include "observe/fields.h"

namespace qanat::cli::top {

namespace {

// Enough to tell "https://127...:7749?access=join" from its neighbours, and to see a change.
constexpr std::size_t least_name = 20;
constexpr std::size_t least_picture = 8;
constexpr std::size_t most_picture = 60;
// Beyond this, more columns are worth more than the rest of a name.
constexpr std::size_t good_name = 32;

}  // namespace

Table::Table(std::string title, std::vector<Column> columns, std::string picture)
    : title_(std::move(title)), columns_(std::move(columns)), picture_(std::move(picture)) {}

Table::Layout Table::layout(std::size_t width) const {
  Layout layout;
  std::size_t longest = std::max(title_.size(), least_name);
  for (const Row& row : rows_) longest = std::max(longest, row.name.size());
  std::size_t used = 0;
  for (const Column& column : columns_) {
    layout.shown.push_back(!column.extra);
    if (!column.extra) used += 1 + column.width;
  }
  const auto left = [&] { return width > used ? width - used : 0; };
  if (!picture_.empty() && left() > least_name + least_picture) {
    layout.picture = least_picture;
    used += 1 + least_picture;
  }
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const std::size_t more = 1 + columns_[i].width;
    if (layout.shown[i] || left() < std::min(longest, good_name) + more) continue;
    layout.shown[i] = true;
    used += more;
  }
  layout.name = std::clamp(left(), std::min(least_name, longest), longest);
  used += layout.name;
  if (layout.picture > 0) layout.picture = std::min(layout.picture + left(), most_picture);
  return layout;
}

std::vector<Line> Table::lines(std::size_t width) const {
  const Layout fit = layout(width);
  std::vector<Line> lines;
  std::string heading = padded(title_, fit.name, false);
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (fit.shown[i]) heading += ' ' + padded(columns_[i].title, columns_[i].width, true);
  }
  if (fit.picture > 0) heading += ' ' + padded(picture_.substr(0, fit.picture), fit.picture, false);
  lines.push_back({{heading, Style::title}});
  for (const Row& row : rows_) {
    Line line{{padded(observe::cut(row.name, fit.name), fit.name, false), Style::plain}};
    for (std::size_t i = 0; i < row.cells.size(); ++i) {
      if (!fit.shown[i]) continue;
      const Span& cell = row.cells[i];
      line.push_back({' ' + padded(cell.text, columns_[i].width, true), cell.style});
    }
    if (fit.picture > 0 && row.picture) {
      line.push_back({' ' + row.picture(fit.picture), Style::bar});
    }
    lines.push_back(std::move(line));
    lines.insert(lines.end(), row.notes.begin(), row.notes.end());
  }
  return lines;
}

}  // namespace qanat::cli::top
