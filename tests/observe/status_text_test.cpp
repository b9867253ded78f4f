#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <sstream>

#include "observe/fields.h"
#include "observe/status.h"

namespace qanat::observe {
namespace {

namespace json = boost::json;

json::object plain_document(const char* role) {
  return {{"node", json::object{{"id", "0123456789abcdef"},
                                {"version", "0.1.0"},
                                {"role", role},
                                {"uptime", 5.0},
                                {"ready", true}}},
          {"sources", json::array{json::object{{"name", "https://hub:7749 as router"},
                                               {"state", "healthy"},
                                               {"bytes", 64},
                                               {"credit", true},
                                               {"h", 8.0}}}},
          {"outlets", json::array{json::object{{"name", "kernel"},
                                               {"deliveries", 1},
                                               {"detail", "last 3.0 s ago"},
                                               {"full_bytes", 64}}}}};
}

std::size_t widest_line(const std::string& text) {
  std::size_t most = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) most = std::max(most, line.size());
  return most;
}

bool says(const std::string& text, const std::string& words) {
  return text.find(words) != std::string::npos;
}

TEST(StatusText, AFeedShowsWhomItAsksAndWhomItFeedsAndNoRowsOfZeros) {
  json::object feed = plain_document("feed");
  std::string text = status_text(feed);
  for (const char* const words :
       {"\nUpstream ", "https://hub:7749 as router", "\nFeeds ", "\nkernel ", "last 3.0 s ago"}) {
    EXPECT_TRUE(says(text, words)) << words << " in\n" << text;
  }
  for (const char* const words : {"Reserve", "Ledger", "Supply"}) {
    EXPECT_FALSE(says(text, words)) << words << " in\n" << text;
  }
  EXPECT_LE(widest_line(text), 80);
  const auto now = static_cast<std::int64_t>(std::time(nullptr));
  feed["outlets"].as_array()[0].as_object()["schedule"] =
      json::object{{"last", now - 600}, {"next", now + 90000}};
  text = status_text(feed);
  EXPECT_TRUE(says(text, "10 min")) << text;
  EXPECT_TRUE(says(text, "in 1 d 0 h") || says(text, "in 1 d 1 h")) << text;
  EXPECT_FALSE(says(text, "last 3.0 s ago"));
  EXPECT_LE(widest_line(text), 80);
}

TEST(StatusText, TheVerdictComesFirst) {
  json::object hub = plain_document("hub");
  EXPECT_EQ(status_text(hub).rfind("hub 0123456789abcdef", 0), 0);
  hub["verdict"] = json::object{{"level", "bad"},
                                {"text",
                                 "no source is healthy, and the reserve is empty since a "
                                 "while that is long enough to need a second line"},
                                {"hint", "see 'qanat sources'"}};
  const std::string text = status_text(hub);
  EXPECT_EQ(text.rfind("Bad: no source is healthy", 0), 0) << text;
  EXPECT_TRUE(says(text, "\n  see 'qanat sources'\nhub ")) << text;
  EXPECT_TRUE(says(text, "\nReserve  "));
  EXPECT_LE(widest_line(text), 80);
}

TEST(StatusText, NamesActOnNoTerminal) {
  json::object hub = plain_document("hub");
  const std::string odd = "file:/x\"<b>\x1b[2J\n\xe2\x80\xaey";
  for (const char* const list : {"sources", "outlets"}) {
    json::object& item = hub[list].as_array()[0].as_object();
    item["name"] = odd;
    item["detail"] = odd;
  }
  const std::string text = status_text(hub);
  for (const char c : text) ASSERT_TRUE(c == '\n' || (c >= 0x20 && c < 0x7f)) << text;
  EXPECT_TRUE(says(text, "file:/x\"<b>?[2J????y")) << text;
}

TEST(StatusText, CopesWithAnyDocument) {
  for (const char* const text :
       {"null", "[]", "{}", R"({"node":{"role":"feed"}})",
        R"({"sources":[1],"outlets":{},"clients":[null],"events":[""]})"}) {
    EXPECT_NE(status_text(json::parse(text)), "") << text;
  }
}

TEST(Wrap, WholeWordsAndBrokenOnes) {
  EXPECT_EQ(wrap("one two three", 7), (std::vector<std::string>{"one two", "three"}));
  EXPECT_EQ(wrap("abcdefgh ij", 3), (std::vector<std::string>{"abc", "def", "gh", "ij"}));
  EXPECT_EQ(wrap("", 5), (std::vector<std::string>{""}));
}

TEST(Cut, InTheMiddle) {
  EXPECT_EQ(cut("abcdef", 6), "abcdef");
  EXPECT_EQ(cut("abcdefghij", 6), "ab..ij");
  EXPECT_EQ(cut("abcdefghij", 2), "ab");
}

TEST(Times, AsWords) {
  EXPECT_EQ(ago(0, 100), "never");
  EXPECT_EQ(ago(100, 100), "now");
  EXPECT_EQ(ago(100, 112.7), "12 s");
  EXPECT_EQ(since(100, 222), "2 min 2 s ago");
  EXPECT_EQ(since(100, 90), "now");
  EXPECT_EQ(since(0, 90), "never");
  EXPECT_EQ(until(148, 100), "in 48 s");
  EXPECT_EQ(until(90, 100), "now");
}

TEST(StatusText, AFeedSaysFirstWhenItFedAndWhatWasCredited) {
  json::object feed = plain_document("feed");
  const auto now = static_cast<std::int64_t>(std::time(nullptr));
  feed["outlets"].as_array()[0].as_object()["schedule"] =
      json::object{{"last", now - 600}, {"next", now + 600}, {"every", 60}, {"credited_bits", 512}};
  const std::string text = status_text(feed);
  EXPECT_TRUE(text.starts_with("kernel: last fed 10 min 0 s ago, credited 512 bits, next in "))
      << text;
  EXPECT_LE(widest_line(text), 80);
}

TEST(StatusText, OneLineForMonitoring) {
  json::object hub = plain_document("hub");
  hub["reserve"] = json::object{{"bytes", 65536}};
  hub["clients"] = json::array{json::object{{"name", "a"}}, json::object{{"name", "b"}}};
  const auto line = [&hub](const char* level, const char* words) {
    hub["verdict"] = json::object{{"level", level}, {"text", words}, {"hint", "Do this."}};
    return status_line(hub);
  };
  EXPECT_EQ(line("good", "All is well.").text, "OK: 1 source healthy, reserve 64 KiB, 2 clients");
  EXPECT_EQ(line("good", "All is well.").level, Verdict::Level::good);
  EXPECT_EQ(line("warning", "Source 'x' is gone.").text, "WARNING: Source 'x' is gone");
  EXPECT_EQ(line("warning", "Source 'x' is gone.").level, Verdict::Level::warning);
  EXPECT_EQ(line("bad", "No source is credited.").text, "FAILED: No source is credited");
  EXPECT_EQ(line("bad", "No source is credited.").level, Verdict::Level::bad);

  json::object feed = plain_document("feed");
  const auto now = static_cast<std::int64_t>(std::time(nullptr));
  feed["verdict"] = json::object{{"level", "good"}, {"text", "All is well."}};
  feed["outlets"].as_array()[0].as_object()["schedule"] =
      json::object{{"last", now - 600}, {"next", now + 600}, {"every", 60}, {"credited_bits", 512}};
  EXPECT_TRUE(
      says(status_line(feed).text, "OK: kernel: last fed 10 min 0 s ago, credited 512 bits, next"))
      << status_line(feed).text;
}

}  // namespace
}  // namespace qanat::observe
