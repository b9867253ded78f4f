#include <gtest/gtest.h>

#include <CLI/CLI.hpp>

#include "cli/help/completion.h"
#include "cli/help/manual.h"
#include "cli/help/text.h"

namespace qanat::cli::help {
namespace {

// A program with one command of each sort.
class HelpTree : public testing::Test {
 protected:
  HelpTree() : app_("It does", "tool") {
    use_for(app_);
    app_.require_subcommand(1);
    app_.add_flag("--verbose", verbose_, "Log more");
    CLI::App* const draw = app_.add_subcommand("draw", "Draw it's own [bytes]: all");
    draw->add_option("bytes", number_, "How many")->required();
    draw->add_option("--source", texts_, "From where; repeatable")->allow_extra_args(false);
    draw->add_option("--level", number_, "How high (default: 1)")->check(CLI::Range(1, 16));
    draw->add_option("--log", text_, "Form")->check(CLI::IsMember({"text", "json"}));
    draw->add_option("--address", text_, "Where")->type_name("HOST:PORT");
    CLI::App* const keys = app_.add_subcommand("keys", "Its keys");
    keys->require_subcommand(1);
    keys->add_subcommand("set", "Set one")->add_option("--state", text_, "Where it is");
    app_.add_subcommand("hidden", "Nobody's")->group("");
  }

  CLI::App app_;
  bool verbose_ = false;
  int number_ = 0;
  std::string text_;
  std::vector<std::string> texts_;
};

TEST_F(HelpTree, TheTreeIsTheParsers) {
  const Command all = describe(app_);
  ASSERT_EQ(all.commands.size(), 2U) << "what is hidden is not told";
  const Command& draw = all.commands[0];
  EXPECT_EQ(draw.words, "tool draw");
  ASSERT_EQ(draw.arguments.size(), 1U);
  EXPECT_EQ(draw.arguments[0].names, std::vector<std::string>{"BYTES"});
  EXPECT_TRUE(draw.arguments[0].required);
  ASSERT_EQ(draw.options.size(), 6U);
  EXPECT_EQ(usage_of(draw.options[0]), "--source SOURCE");
  EXPECT_TRUE(draw.options[0].repeatable);
  EXPECT_EQ(draw.options[1].text, "How high (default: 1; 1 to 16)");
  EXPECT_EQ(usage_of(draw.options[2]), "--log text|json");
  EXPECT_EQ(usage_of(draw.options[3]), "--address HOST:PORT");
  EXPECT_EQ(usage_of(draw.options[4]), "--verbose") << "what all commands take comes last";
  EXPECT_EQ(usage_of(draw.options[5]), "-h, --help");
  EXPECT_EQ(describe(*app_.get_subcommand("keys")->get_subcommand("set")).words, "tool keys set");
}

TEST_F(HelpTree, HelpIsEightyColumnsWide) {
  Command command = describe(*app_.get_subcommand("draw"));
  for (int i = 0; i < 40; ++i) command.options[0].text += " words";
  command.options[3].value = "A-VERY-LONG-KIND-OF-VALUE|AND-ANOTHER";
  command.notes = "Things:\n  thing  " + std::string(command.options[0].text);
  command.examples = {{"An example", "tool draw 5"}};
  const std::string text = help_text(command);
  EXPECT_TRUE(text.starts_with("Draw it's own [bytes]: all\n\nUsage: tool draw [OPTIONS] BYTES\n"));
  EXPECT_NE(text.find("\nEXAMPLES:\n  # An example\n  tool draw 5\n"), std::string::npos);
  EXPECT_NE(text.find("\nTHINGS:\n  thing  From where"), std::string::npos);
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\n', begin);
    EXPECT_LE(end - begin, 80U) << text.substr(begin, end - begin);
    begin = end + 1;
  }
}

TEST(HelpNotes, AreParagraphsAndLists) {
  const auto notes =
      parse_notes("One\nparagraph.\n\nTwo.\n\nKinds:\n  a      first\n  b c  second\n");
  ASSERT_EQ(notes.size(), 5U);
  EXPECT_EQ(notes[0].text, "One paragraph.");
  EXPECT_EQ(notes[1].text, "Two.");
  EXPECT_EQ(notes[2].kind, Note::Kind::heading);
  EXPECT_EQ(notes[2].text, "Kinds");
  EXPECT_EQ(notes[3].term, "a");
  EXPECT_EQ(notes[4].term, "b c");
  EXPECT_EQ(notes[4].text, "second");
}

TEST_F(HelpTree, ThePageSaysNothingToRoffByAccident) {
  Command command = describe(*app_.get_subcommand("draw"));
  command.notes = ".B at the beginning";
  const std::string page = manual_parts(command);
  EXPECT_NE(
      page.find(
          ".SY \"tool draw\"\n\\fIBYTES\\fR\n[\\fB\\-\\-source\\fR\\~\\fISOURCE\\fR]...\\&\n"),
      std::string::npos)
      << page;
  EXPECT_NE(page.find("\n\\&.B at the beginning\n"), std::string::npos);
  EXPECT_NE(page.find("draw it\\(aqs own"), std::string::npos);
}

TEST_F(HelpTree, CompletionsQuoteWhatAShellTakesForItsOwn) {
  const Command all = describe(app_);
  const Names names{{"jitter", "file:"}, {"kernel"}};
  EXPECT_NE(bash_completion(all, names).find("_qanat_sources='jitter file:'"), std::string::npos);
  EXPECT_NE(zsh_completion(all, names).find("'draw:Draw it'\\''s own \\[bytes\\]'"),
            std::string::npos);
  EXPECT_NE(fish_completion(all, names).find("-a draw -d 'Draw it\\'s own [bytes]'"),
            std::string::npos);
}

}  // namespace
}  // namespace qanat::cli::help
