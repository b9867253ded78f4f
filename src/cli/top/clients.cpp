#include "cli/top/clients.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "base/quantity.h"
#include "cli/top/table.h"

namespace qanat::cli::top {

using observe::Fields;

namespace {

struct Client {
  Fields fields;
  std::string name;
  std::optional<double> now;
  double total;
};

double figure(const Client& client, Order order) {
  switch (order) {
    case Order::now:
      return client.now.value_or(0);
    case Order::total:
      return client.total;
    case Order::waiting:
      return client.fields.number("waiting_bytes");
    case Order::guarantee:
      return client.fields.number("rate");
    case Order::refused:
      return client.fields.number("refused");
    case Order::name:
      break;
  }
  return 0;
}

// The greatest first, names from A on; those that are alike by their names, so that none jumps.
void sort_clients(std::vector<Client>& clients, const Choices& choices) {
  const auto before = [&](const Client& a, const Client& b) {
    const double left = figure(a, choices.order);
    const double right = figure(b, choices.order);
    if (left != right) return (left > right) != choices.reversed;
    return choices.order == Order::name && choices.reversed ? a.name > b.name : a.name < b.name;
  };
  std::stable_sort(clients.begin(), clients.end(), before);
}

Span state_of(const Client& client) {
  if (client.fields.number("rate") <= 0) return {"-", Style::faint};
  return client.fields.flag("suspended") ? Span{"suspended", Style::bad}
                                         : Span{"kept", Style::good};
}

}  // namespace

const char* order_name(Order order) {
  static constexpr std::array<const char*, orders> names{"name",    "rate now",  "total",
                                                         "waiting", "guarantee", "refused"};
  return names.at(static_cast<std::size_t>(order));
}

Lines client_lines(const Fields& document, const Samples& samples, const Choices& choices) {
  std::vector<Client> clients;
  for (const Fields& fields : document.list("clients")) {
    const std::string name = fields.text("name");
    clients.push_back({fields, name, samples.client_rate(name),
                       fields.number("full_bytes") + fields.number("drbg_bytes")});
  }
  if (clients.empty()) return {};
  sort_clients(clients, choices);
  const auto title = [&](Order order, const char* name) {
    return name + std::string(choices.order == order ? "*" : "");
  };
  Table table(title(Order::name, "Client"), {{title(Order::guarantee, "Guarantee"), 10},
                                             {title(Order::now, "Now"), 10},
                                             {title(Order::total, "Total"), 8},
                                             {title(Order::waiting, "Waiting"), 8},
                                             {title(Order::refused, "Refused"), 8},
                                             {"State", 9},
                                             {"Last minute", 11, true},
                                             {"Seen", 11, true},
                                             {"Open", 5, true},
                                             {"Requests", 9, true},
                                             {"Weight", 6, true},
                                             {"Full", 8, true},
                                             {"DRBG", 8, true}});
  for (const Client& client : clients) {
    const Fields& c = client.fields;
    const double rate = c.number("rate");
    const double waiting = c.number("waiting_bytes");
    table.add({client.name,
               {{rate > 0 ? format_rate(rate) : "-"},
                {client.now ? format_rate(*client.now) : "-"},
                {format_size(client.total)},
                {format_size(waiting), waiting > 0 ? Style::warning : Style::plain},
                {fmt::format("{:.0f}", c.number("refused"))},
                state_of(client),
                {format_size(c.number("minute_bytes"))},
                {observe::ago(c.number("last_seen"), static_cast<double>(choices.clock))},
                {fmt::format("{:.0f}", c.number("connections"))},
                {fmt::format("{:.0f}", c.number("requests"))},
                {fmt::format("{:g}", c.number("weight"))},
                {format_size(c.number("full_bytes"))},
                {format_size(c.number("drbg_bytes"))}}});
  }
  Lines lines = table.lines(choices.width);
  const double all = document.number("clients_total");
  if (const double shown = static_cast<double>(clients.size()); all > shown) {
    lines.push_back({{fmt::format("and {:.0f} less busy ones", all - shown), Style::faint}});
  }
  return lines;
}

}  // namespace qanat::cli::top
