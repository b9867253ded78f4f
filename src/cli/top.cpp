// `qanat top`: on a terminal a screen that follows the nodes and reads keys; elsewhere one picture
// after another.
#include <fmt/core.h>
#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "base/quantity.h"
#include "cli/command.h"
#include "cli/control.h"
#include "cli/node_poller.h"
#include "cli/status.h"
#include "cli/top/signals.h"
#include "cli/top/terminal.h"
#include "cli/top/view.h"
#include "machine/daemon.h"

namespace qanat::cli {

namespace {

struct TopOptions {
  std::vector<std::string> states;
  std::string every = "1s";
  std::string for_time;
};

double steady_seconds() { return seconds(Clock().now().time_since_epoch()); }

// What is known of the nodes that are watched.
class Watch {
 public:
  // `named`: the user did, so each is shown; otherwise those that are there.
  Watch(std::size_t count, bool named) : nodes_(count), named_(named) {}

  void take(std::vector<NodePoller::Answer> answers) {
    for (std::size_t i = 0; i < answers.size(); ++i) take(nodes_[i], answers[i]);
  }

  std::vector<const top::Seen*> shown() const {
    std::vector<const top::Seen*> shown;
    for (const top::Seen& node : nodes_) {
      if (named_ || node.document) shown.push_back(&node);
    }
    if (shown.empty()) shown.push_back(&nodes_.front());
    return shown;
  }

  // Why nothing was ever seen; empty when something was, or nothing was asked yet.
  std::string problem() const {
    for (const top::Seen& node : nodes_) {
      if (node.document) return "";
    }
    return nodes_.front().problem;
  }

 private:
  static void take(top::Seen& node, NodePoller::Answer& answer) {
    node.problem = std::move(answer.problem);
    if (!answer.document) return;
    const double now = steady_seconds();
    if (answer.history) node.samples.load(*answer.history, now);
    node.samples.add(*answer.document, now);
    node.document = std::move(answer.document);
    node.since = std::time(nullptr);
  }

  std::vector<top::Seen> nodes_;
  bool named_;
};

// The screen, and what its user does with it.
class TopScreen {
 public:
  TopScreen(std::size_t count, bool named) : watch_(count, named) {
    choices_.utf8 = terminal_.utf8();
  }

  void draw() {
    lay_out();
    terminal_.draw(screen_.lines);
  }

  void take(std::vector<NodePoller::Answer> answers) { watch_.take(std::move(answers)); }

  // False when the user wants to leave.
  bool press_keys() {
    while (const auto key = terminal_.key()) {
      if (key->kind == top::Key::Kind::character) {
        if (key->character == 'q') return false;
        press(key->character);
      } else {
        scroll(key->kind);
      }
      // What a key does depends on what the one before it did.
      lay_out();
    }
    return true;
  }

  // False when it is to end.
  bool obey(top::Signal signal) {
    switch (signal) {
      case top::Signal::resized:
        terminal_.resize();
        return true;
      case top::Signal::suspend:
        terminal_.suspend();
        return true;
      case top::Signal::resumed:
        terminal_.take_again();
        return true;
      case top::Signal::stop:
        break;
    }
    return false;
  }

  std::string problem() const { return watch_.problem(); }

 private:
  void lay_out() {
    choices_.width = terminal_.width();
    choices_.height = terminal_.height();
    if (!choices_.paused) {
      choices_.now = steady_seconds();
      choices_.clock = std::time(nullptr);
    }
    screen_ = top::draw((frozen_ ? *frozen_ : watch_).shown(), choices_);
    choices_.scroll = screen_.scroll;
  }

  void scroll(top::Key::Kind kind) {
    std::size_t& at = choices_.scroll;
    const auto back = [&at](std::size_t lines) { at -= std::min(at, lines); };
    switch (kind) {
      case top::Key::Kind::up:
        return back(1);
      case top::Key::Kind::down:
        at = std::min(at + 1, screen_.most_scroll);
        return;
      case top::Key::Kind::page_up:
        return back(screen_.page);
      case top::Key::Kind::page_down:
        at = std::min(at + screen_.page, screen_.most_scroll);
        return;
      case top::Key::Kind::home:
        at = 0;
        return;
      case top::Key::Kind::end:
        at = screen_.most_scroll;
        return;
      case top::Key::Kind::character:
      case top::Key::Kind::other:
        return;
    }
  }

  void press(char character) {
    switch (character) {
      case 'k':
        return scroll(top::Key::Kind::up);
      case 'j':
        return scroll(top::Key::Kind::down);
      case ' ':
        return scroll(top::Key::Kind::page_down);
      case 'p':
        return pause();
      case '?':
      case 'h':
        choices_.help = !choices_.help;
        return std::swap(choices_.scroll, other_scroll_);
      case '<':
        return sort_by(static_cast<std::size_t>(choices_.order) + top::orders - 1);
      case '>':
        return sort_by(static_cast<std::size_t>(choices_.order) + 1);
      default:
        break;
    }
    // In the order of top::Order.
    constexpr std::string_view keys = "nrtwgx";
    const std::size_t order = keys.find(character);
    if (order == std::string_view::npos) return;
    if (order == static_cast<std::size_t>(choices_.order)) {
      choices_.reversed = !choices_.reversed;
    } else {
      sort_by(order);
    }
  }

  void sort_by(std::size_t order) {
    choices_.order = static_cast<top::Order>(order % top::orders);
    choices_.reversed = false;
  }

  // What is known goes on to grow: nothing is missing afterwards.
  void pause() {
    choices_.paused = !choices_.paused;
    frozen_.reset();
    if (choices_.paused) frozen_ = watch_;
  }

  top::Terminal terminal_;
  top::Choices choices_;
  top::Screen screen_;
  std::size_t other_scroll_ = 0;  // of the help, or of what it hides
  Watch watch_;
  std::optional<Watch> frozen_;  // while paused
};

// Sleeps until there is something to do. False when the keys' end is gone.
bool wait_for_news(int signals, int answers, std::optional<TimePoint> end) {
  int limit = -1;
  if (end) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*end - Clock().now());
    limit = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1 << 30));
  }
  // From what is no terminal, no keys come.
  const int keys = ::isatty(STDIN_FILENO) == 1 ? STDIN_FILENO : -1;
  std::array<pollfd, 3> polled{{{signals, POLLIN, 0}, {answers, POLLIN, 0}, {keys, POLLIN, 0}}};
  if (::poll(polled.data(), polled.size(), limit) < 0 && errno != EINTR) {
    throw Failure(with_errno("poll", errno));
  }
  return (polled[2].revents & (POLLHUP | POLLERR)) == 0;
}

std::string watch_on_screen(NodePoller& poller, const top::Signals& signals, std::size_t count,
                            bool named, std::optional<TimePoint> end) {
  TopScreen screen(count, named);
  for (;;) {
    screen.draw();
    bool goes_on = wait_for_news(signals.fd(), poller.fd(), end);
    while (const auto signal = signals.next()) goes_on = screen.obey(*signal) && goes_on;
    if (auto answers = poller.take()) screen.take(std::move(*answers));
    goes_on = screen.press_keys() && goes_on;
    if (!goes_on || (end && Clock().now() >= *end)) return screen.problem();
  }
}

int run_screen(const std::vector<std::string>& named, Duration every, Duration for_time) {
  machine::prepare_process();
  const top::Signals signals;
  std::optional<TimePoint> end;
  if (for_time > Duration::zero()) end = Clock().now() + for_time;
  const std::vector<std::string> states =
      named.empty() ? std::vector{state_path(""), default_feed_state()} : named;
  // Which characters the terminal has; numbers stay as they are.
  // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread runs yet
  std::setlocale(LC_CTYPE, "");
  NodePoller poller(states, every);
  const std::string problem = watch_on_screen(poller, signals, states.size(), !named.empty(), end);
  if (!problem.empty()) throw Failure(problem);
  return 0;
}

// False when whoever reads it has seen enough, as `head` has.
bool show(const std::string& text) {
  const bool taken =
      std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (!taken && errno != EPIPE) {
    throw Failure(with_errno("cannot write to standard output", errno));
  }
  return taken;
}

// Until a signal comes, one picture after another.
int run_blocks(const std::vector<std::string>& states, Duration every, Duration for_time) {
  machine::prepare_process();
  const TimePoint begin = Clock().now();
  // A node that is away for a while is waited for; one that was never there is a failure.
  std::string text = status_texts(status_documents(states));
  std::string away;  // why, where it was told: once
  for (;;) {
    // Standard output is no more, and nothing is to be said of that.
    if (!text.empty() && !show(text + "\n")) std::_Exit(0);
    if (machine::wait_for_signal(every) == machine::Signal::stop) return 0;
    if (for_time > Duration::zero() && Clock().now() - begin >= for_time) return 0;
    try {
      text = status_texts(status_documents(states));
      away.clear();
    } catch (const Failure& why) {
      const std::string problem = fmt::format("{}\n", why.what());
      text = problem == away ? "" : problem;
      away = problem;
    }
  }
}

Duration duration_option(const std::string& text, const char* name) {
  if (text.empty()) return Duration::zero();
  const auto value = parse_duration(text);
  if (!value || *value == Duration::zero()) {
    throw UsageError(
        fmt::format("{} {} is not a duration of at least 1ms; write it like 2s", name, text));
  }
  return *value;
}

}  // namespace

Run add_top(CLI::App& command) {
  auto options = std::make_shared<TopOptions>();
  command.add_option("--state", options->states, "The node's state directory, repeatable")
      ->allow_extra_args(false);
  command.add_option("--every", options->every, "Time between two pictures (default: 1s)");
  command.add_option("--for", options->for_time, "End after this time (default: never)");
  command.footer(
      "On a terminal: arrows, PgUp, PgDn, Home and End scroll; n, r, t, w, g and x sort\n"
      "clients; p pauses, ? tells all keys, q quits. Elsewhere: 'status', again and again.");
  return [options] {
    const Duration every = duration_option(options->every, "--every");
    const Duration for_time = duration_option(options->for_time, "--for");
    return top::Terminal::usable() ? run_screen(options->states, every, for_time)
                                   : run_blocks(options->states, every, for_time);
  };
}

}  // namespace qanat::cli
