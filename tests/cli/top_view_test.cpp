#include "cli/top/view.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>

namespace qanat::cli::top {
namespace {

namespace json = boost::json;

constexpr std::int64_t clock_now = 1'700'000'000;

json::object source(const std::string& name) {
  return {{"name", name},  {"state", "healthy"},
          {"detail", ""},  {"rate", 2048.0},
          {"h", 4.0},      {"credit", true},
          {"bytes", 4096}, {"alarms", 0},
          {"failures", 0}, {"ledger", json::object{{"credited", 8192}}}};
}

json::object outlet(const std::string& name) {
  return {{"name", name},    {"detail", ""},       {"problem", ""},   {"connections", 1},
          {"deliveries", 2}, {"full_bytes", 1024}, {"drbg_bytes", 0}, {"refused", json::object{}}};
}

json::object client(const std::string& name, double rate, double bytes) {
  return {{"name", name},       {"rate", rate},        {"weight", 1.0},
          {"suspended", false}, {"refused", 0},        {"waiting_bytes", 0},
          {"requests", 1},      {"full_bytes", bytes}, {"drbg_bytes", 0},
          {"minute_bytes", 0},  {"connections", 1},    {"last_seen", clock_now - 5}};
}

// As a node of the version before this one writes it.
json::object hub() {
  return {{"node", json::object{{"id", "0123456789abcdef"},
                                {"version", "0.1.0"},
                                {"role", "hub"},
                                {"uptime", 3661.0},
                                {"ready", true},
                                {"problem", ""}}},
          {"ledger", json::object{{"credited", 8192}, {"delivered", 4096}}},
          {"reserve", json::object{{"bytes", 131072}, {"target", 262144}}},
          {"supply", json::object{{"proved", 1024.0}, {"promised", 0}}},
          {"drbg", json::object{{"bytes", 0}}},
          {"sources", json::array{source("jitter")}},
          {"outlets", json::array{outlet("kernel")}},
          {"clients", json::array{}},
          {"events", json::array{}}};
}

json::object feed() {
  json::object document = hub();
  document["node"].as_object()["role"] = "feed";
  document["sources"] = json::array{source("https://hub:7749 as router")};
  document["reserve"] = json::object{{"bytes", 0}, {"target", 0}};
  document["supply"] = json::object{{"proved", 0}, {"promised", 0}};
  return document;
}

Seen seen(json::value document) {
  Seen node;
  node.samples.add(document, 100);
  node.document = std::move(document);
  node.since = clock_now;
  return node;
}

Choices choices(std::size_t width = 80, std::size_t height = 24) {
  Choices choices;
  choices.width = width;
  choices.height = height;
  choices.now = 100;
  choices.clock = clock_now;
  return choices;
}

std::vector<std::string> texts(const Screen& screen) {
  std::vector<std::string> lines;
  for (const Line& line : screen.lines) lines.push_back(text_of(line));
  return lines;
}

std::string whole(const Screen& screen) {
  std::string all;
  for (const std::string& line : texts(screen)) all += line + "\n";
  return all;
}

std::string shown(const Seen& node, const Choices& how = choices(80, 60)) {
  return whole(draw({&node}, how));
}

bool has(const std::string& text, const std::string& words) {
  return text.find(words) != std::string::npos;
}

// Where in the text the client's row stands.
std::size_t row(const std::string& text, const std::string& name) {
  const std::size_t at = text.find("\n" + name + " ");
  EXPECT_NE(at, std::string::npos) << name << " in\n" << text;
  return at;
}

TEST(TopView, ShowsEachPartOfAHubIn80By24) {
  json::object document = hub();
  document["clients"] = json::array{client("leaf", 1024, 512)};
  const Seen node = seen(document);
  const Screen screen = draw({&node}, choices());
  ASSERT_EQ(screen.lines.size(), 24);
  const auto lines = texts(screen);
  EXPECT_EQ(lines[0], "Good: the node is ready");
  EXPECT_EQ(lines[1], "hub 0123456789abcdef, qanat 0.1.0, up 1 h 1 min, ready");
  EXPECT_TRUE(has(lines[2], "Reserve  [##########----------] 128 KiB of 256 KiB"));
  const std::string all = whole(screen);
  for (const char* const words :
       {"\nSupply   1 KiB/s proved", "\nCredited ", "\nSource ", "\njitter ", "healthy", "2 KiB/s",
        "\nOutlet ", "\nkernel ", "\nClient ", "\nleaf ", "kept", "\nLedger   ", " q quit "}) {
    EXPECT_TRUE(has(all, words)) << words << " in\n" << all;
  }
}

TEST(TopView, SaysTheVerdictAndWhatToDoFirst) {
  json::object document = hub();
  document["verdict"] = json::object{
      {"level", "warning"}, {"text", "the reserve is empty"}, {"hint", "add a source"}};
  const Seen node = seen(document);
  const auto lines = texts(draw({&node}, choices()));
  EXPECT_EQ(lines[0], "Warning: the reserve is empty");
  EXPECT_EQ(lines[1], "  add a source");
}

TEST(TopView, CopesWithAnyDocument) {
  for (
      const char* const text :
      {"null", "7", "[]", "{}", R"({"node":7,"sources":{},"outlets":[1,null],"clients":[[]]})",
       R"({"node":{"role":"feed"},"sources":[null],"outlets":[{}],"events":[3]})",
       R"({"sources":[{"name":"a","estimate":null,"test_failures":{"pattern":"x"}},{"name":"a"}]})"}) {
    const Seen node = seen(json::parse(text));
    EXPECT_EQ(draw({&node}, choices()).lines.size(), 24) << text;
  }
}

TEST(TopView, FitsEverySize) {
  json::object document = hub();
  for (int i = 0; i < 30; ++i) {
    document["clients"].as_array().push_back(client("client-" + std::to_string(i), 10, i));
    document["sources"].as_array().push_back(source("device:/dev/ttyUSB" + std::to_string(i)));
  }
  const Seen one = seen(document);
  const Seen other = seen(feed());
  for (std::size_t width = 1; width <= 220; width += width < 100 ? 1 : 17) {
    for (std::size_t height = 1; height <= 70; height += height < 26 ? 1 : 11) {
      for (const bool both : {false, true}) {
        Choices how = choices(width, height);
        how.scroll = 1000;
        how.help = (width + height) % 7 == 0;
        const Screen screen = both ? draw({&one, &other}, how) : draw({&one}, how);
        ASSERT_EQ(screen.lines.size(), height);
        ASSERT_EQ(screen.scroll, screen.most_scroll);
        for (const Line& line : screen.lines) ASSERT_LE(columns(line), width) << text_of(line);
      }
    }
  }
}

TEST(TopView, LosesNothingAtItsRightEdgeFrom80ColumnsOn) {
  json::object document = hub();
  document["clients"] = json::array{client("leaf", 1024, 512)};
  document["sources"].as_array().push_back(source("device:/dev/ttyUSB0?baud=115200&model=x"));
  document["outlets"].as_array().push_back(outlet("https://192.0.2.1:7749?access=join&cert=/x"));
  const Seen hub_node = seen(document);
  const Seen feed_node = seen(feed());
  for (const Seen* const node : {&hub_node, &feed_node}) {
    for (std::size_t width = 80; width <= 300; ++width) {
      const Screen usual = draw({node}, choices(width, 100));
      for (const Line& line : usual.lines) ASSERT_LE(columns(line), width);
      const std::string all = whole(usual);
      // The last columns of the three tables.
      if (node == &hub_node) {
        ASSERT_TRUE(has(all, "5 min\n") || has(all, "5 min ")) << width << "\n" << all;
        ASSERT_TRUE(has(all, "State")) << width;
        ASSERT_TRUE(has(all, " kept")) << width << "\n" << all;
      } else {
        ASSERT_TRUE(has(all, "Next feed")) << width << "\n" << all;
      }
    }
  }
}

TEST(TopView, WiderScreensShowLongerNamesAndMoreColumns) {
  json::object document = hub();
  const std::string name = "device:/dev/serial/by-id/usb-ubld.it_TrueRNG-if00?baud=115200";
  document["sources"] = json::array{source(name)};
  const Seen node = seen(document);
  const std::string narrow = shown(node, choices(80, 30));
  const std::string wide = shown(node, choices(160, 30));
  EXPECT_FALSE(has(narrow, name));
  EXPECT_TRUE(has(narrow, "device:/d"));
  EXPECT_TRUE(has(wide, name)) << wide;
  EXPECT_FALSE(has(narrow, "Last window"));
  EXPECT_TRUE(has(wide, "Last window"));
}

TEST(TopView, ScrollsTheBodyUnderAHeadThatStays) {
  json::object document = hub();
  for (int i = 10; i < 60; ++i) {
    document["clients"].as_array().push_back(client("client-" + std::to_string(i), 0, 0));
  }
  const Seen node = seen(document);
  Choices how = choices();
  const Screen top = draw({&node}, how);
  EXPECT_GT(top.most_scroll, 20);
  EXPECT_TRUE(has(text_of(top.lines.back()), "lines 1-16 of ")) << text_of(top.lines.back());
  how.scroll = 5;
  const Screen scrolled = draw({&node}, how);
  EXPECT_EQ(text_of(top.lines[0]), text_of(scrolled.lines[0]));
  const std::size_t head = 24 - 1 - top.page;
  EXPECT_EQ(text_of(top.lines[head + 5]), text_of(scrolled.lines[head]));
  how.scroll = 10000;
  const Screen end = draw({&node}, how);
  EXPECT_EQ(end.scroll, end.most_scroll);
  EXPECT_EQ(text_of(end.lines[22]), "         here") << whole(end);
}

TEST(TopView, SortsClientsAsChosen) {
  json::object document = hub();
  json::object a = client("anna", 100, 5000);
  json::object b = client("bert", 300, 1000);
  json::object c = client("carl", 200, 3000);
  a["waiting_bytes"] = 1;
  c["waiting_bytes"] = 9;
  b["refused"] = 4;
  document["clients"] = json::array{a, b, c};
  Seen node = seen(document);
  // Two seconds later bert has drawn most of all.
  b["full_bytes"] = 9000;
  c["full_bytes"] = 3100;
  document["clients"] = json::array{a, b, c};
  node.samples.add(document, 102);
  node.document = document;
  const auto order = [&](Order by, bool reversed = false) {
    Choices how = choices(80, 60);
    how.order = by;
    how.reversed = reversed;
    const std::string text = shown(node, how);
    std::vector<std::pair<std::size_t, char>> rows;
    for (const char* const name : {"anna", "bert", "carl"})
      rows.emplace_back(row(text, name), *name);
    std::sort(rows.begin(), rows.end());
    std::string names;
    for (const auto& [at, name] : rows) names += name;
    return names;
  };
  EXPECT_EQ(order(Order::name), "abc");
  EXPECT_EQ(order(Order::name, true), "cba");
  EXPECT_EQ(order(Order::now), "bca");
  EXPECT_EQ(order(Order::total), "bac");
  EXPECT_EQ(order(Order::total, true), "cab");
  EXPECT_EQ(order(Order::waiting), "cab");
  EXPECT_EQ(order(Order::guarantee), "bca");
  EXPECT_EQ(order(Order::refused), "bac");
  EXPECT_TRUE(has(shown(node), "Now*"));
  EXPECT_TRUE(has(shown(node), "3.9 KiB/s")) << shown(node);
}

TEST(TopView, TellsOfClientsThatTheDocumentLeavesOut) {
  json::object document = hub();
  document["clients"] = json::array{client("leaf", 1024, 512)};
  document["clients_total"] = 8;
  EXPECT_TRUE(has(shown(seen(document)), "and 7 less busy ones"));
}

TEST(TopView, SaysInWordsWhetherAGuaranteeIsKept) {
  json::object document = hub();
  json::object held = client("held", 1024, 512);
  held["suspended"] = true;
  document["clients"] = json::array{held, client("none", 0, 1)};
  const std::string text = shown(seen(document));
  EXPECT_TRUE(has(text.substr(row(text, "held")), "suspended"));
  EXPECT_FALSE(has(text, "kept"));
}

TEST(TopView, NamesAndWordsOfOthersActOnNoTerminal) {
  json::object document = hub();
  const std::string odd = "file:/x\"<b>\x1b[2J\n\r\t\xe2\x80\xaey'";
  document["sources"] = json::array{source(odd)};
  document["outlets"] = json::array{outlet(odd)};
  document["outlets"].as_array()[0].as_object()["detail"] = odd;
  document["clients"] = json::array{client(odd, 1, 1)};
  document["events"] = json::array{
      json::object{{"time", clock_now}, {"subject", odd}, {"text", odd}, {"alarm", true}}};
  document["verdict"] = json::object{{"level", odd}, {"text", odd}, {"hint", odd}};
  document["node"].as_object()["problem"] = odd + "2";
  document["node"].as_object()["role"] = "hub\x1b";
  Choices how = choices(160, 60);
  how.utf8 = false;
  Seen node = seen(document);
  for (const std::string& line : texts(draw({&node}, how))) {
    for (const char c : line) ASSERT_TRUE(c >= 0x20 && c < 0x7f) << line;
  }
  EXPECT_TRUE(has(shown(node, how), "file:/x\"<b>?[2J??????y'")) << shown(node, how);
  node.problem = odd;
  EXPECT_TRUE(has(shown(node, how), "file:/x\"<b>?[2J??????y'\n")) << shown(node, how);
  EXPECT_FALSE(has(shown(node, how), "\x1b"));
}

TEST(TopView, AFeedShowsWhomItAsksAndWhomItFeedsAndNoRowsOfZeros) {
  json::object document = feed();
  document["outlets"].as_array()[0].as_object()["schedule"] =
      json::object{{"last", clock_now - 12}, {"next", clock_now + 48}};
  const std::string text = shown(seen(document));
  for (const char* const words :
       {"\nUpstream ", "https://hub", "\nFeeds ", "12 s ago", "in 48 s"}) {
    EXPECT_TRUE(has(text, words)) << words << " in\n" << text;
  }
  for (const char* const words : {"Reserve", "Supply", "Credited      0", "Ledger", "Client"}) {
    EXPECT_FALSE(has(text, words)) << words << " in\n" << text;
  }
}

TEST(TopView, ANodeThatWentAwayKeepsItsLastPicture) {
  Seen node = seen(hub());
  node.problem = "no node runs with the state directory /x";
  const std::string text = shown(node);
  EXPECT_EQ(text.rfind("Bad: no answer since ", 0), 0) << text;
  EXPECT_TRUE(has(text, "\njitter "));
  const Seen never{std::nullopt, "no node runs", 0, {}};
  EXPECT_EQ(shown(never).rfind("Bad: no node runs\n", 0), 0);
}

TEST(TopView, SeveralNodesAreToldApart) {
  const Seen one = seen(hub());
  const Seen other = seen(feed());
  const auto lines = texts(draw({&one, &other}, choices(80, 40)));
  EXPECT_EQ(lines[0], "hub: Good: the node is ready");
  EXPECT_EQ(lines[1], "feed: Good: the node is ready");
  const std::string all = whole(draw({&one, &other}, choices(80, 60)));
  EXPECT_TRUE(has(all, "\n-- hub ---"));
  EXPECT_TRUE(has(all, "\n-- feed ---"));
  EXPECT_TRUE(has(all, "\nUpstream "));
}

TEST(TopView, ShowsWhatNewerNodesTell) {
  json::object document = hub();
  json::object& s = document["sources"].as_array()[0].as_object();
  s["estimate"] = json::object{{"most_common_value", 7.5}, {"markov", 6.25}};
  s["credited_rate"] = 512.0;
  s["test_failures"] = json::object{{"repetition_count", 3}, {"pattern", 0}};
  document["threads"] = json::array{json::object{{"name", "io-1"}, {"still", 0}},
                                    json::object{{"name", "io-2"}, {"still", 70}}};
  document["rates"] = json::object{{"credited", 3072.0}, {"delivered", 1536.0}};
  const std::string text = shown(seen(document));
  for (const char* const words :
       {"6.25", "512 B/s", "tests failed: repetition count 3\n", "io-2 has not turned for 70 s",
        "Credited    3 KiB/s", "Delivered  1.5 KiB/s"}) {
    EXPECT_TRUE(has(text, words)) << words << " in\n" << text;
  }
  EXPECT_FALSE(has(text, "io-1"));
}

TEST(TopView, TheHelpNamesEveryKey) {
  Choices how = choices();
  how.help = true;
  const std::string text = shown(seen(hub()), how);
  for (const char* const words : {"quit", "PgUp", "pause", "n name", "r rate", "t total",
                                  "w waiting", "g guarantee", "x refused", "< and >"}) {
    EXPECT_TRUE(has(text, words)) << words << " in\n" << text;
  }
}

TEST(TopView, WithoutUtf8NothingButAsciiIsDrawn) {
  Choices how = choices();
  how.utf8 = false;
  const std::string text = shown(seen(hub()), how);
  EXPECT_TRUE(std::all_of(text.begin(), text.end(),
                          [](char c) { return c == '\n' || (c >= 0x20 && c < 0x7f); }));
}

}  // namespace
}  // namespace qanat::cli::top
