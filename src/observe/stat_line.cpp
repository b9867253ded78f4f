#include "observe/stat_line.h"

#include <fmt/core.h>

#include "base/shown.h"

namespace qanat::observe {
namespace {

std::uint64_t sum(const std::map<std::string, std::uint64_t>& counts,
                  std::initializer_list<const char*> names) {
  std::uint64_t all = 0;
  for (const char* const name : names) {
    const auto found = counts.find(name);
    if (found != counts.end()) all += found->second;
  }
  return all;
}

}  // namespace

std::string StatLines::line(const std::string& name, const Counts& total) {
  Counts& before = before_[name];
  // What has begun anew is as new.
  const auto since = [](std::uint64_t now, std::uint64_t then) {
    return now < then ? now : now - then;
  };
  const Counts recent{since(total.ok, before.ok), since(total.weak, before.weak),
                      since(total.recv_err, before.recv_err),
                      since(total.bad_size, before.bad_size)};
  before = total;
  return fmt::format("{}: {}", escaped(name), wire::rngnet::stat_line(recent, total));
}

std::vector<std::string> StatLines::lines(const NodeReport& report) {
  std::vector<std::string> out;
  for (const SourceReport& source : report.sources) {
    out.push_back(
        line(source.name, {.ok = source.blocks.blocks,
                           .weak = source.blocks.weak,
                           .recv_err = source.failures + sum(source.dropped, {"recv_err"}),
                           .bad_size = sum(source.dropped, {"bad_size", "no_frame"})}));
  }
  for (const OutletReport& outlet : report.outlets) {
    out.push_back(
        line(outlet.name, {.ok = outlet.deliveries,
                           .weak = 0,
                           .recv_err = sum(outlet.refused, {"failed", "timeout", "unsent"}),
                           .bad_size = sum(outlet.refused, {"malformed", "too_large", "too_short",
                                                            "too_long", "padding"})}));
  }
  return out;
}

}  // namespace qanat::observe
