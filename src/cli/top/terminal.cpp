#include "cli/top/terminal.h"

// Functions, not macros with such names as `erase` and `move`.
#define NCURSES_NOMACROS
#include <curses.h>
#include <langinfo.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

#include "base/colours.h"
#include "base/error.h"

namespace qanat::cli::top {

namespace {

enum Pair : short { green = 1, yellow, red, blue };

chtype attributes(Style style, bool colours) {
  const auto colour = [colours](Pair pair, chtype without) {
    return colours ? static_cast<chtype>(COLOR_PAIR(pair)) : without;
  };
  switch (style) {
    case Style::title:
      return A_BOLD;
    case Style::faint:
      return A_DIM;
    case Style::good:
      return colour(green, A_NORMAL);
    case Style::warning:
      return colour(yellow, A_BOLD);
    case Style::bad:
      return colour(red, A_NORMAL) | A_BOLD;
    case Style::bar:
      return colour(blue, A_NORMAL);
    case Style::plain:
      break;
  }
  return A_NORMAL;
}

}  // namespace

// NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the locale any more
Terminal::Terminal() : utf8_(std::string_view(::nl_langinfo(CODESET)) == "UTF-8") {
  // initscr would end the process where it fails.
  if (::newterm(nullptr, stdout, stdin) == nullptr) {
    throw Failure("the terminal (TERM) is not known here; try TERM=xterm, or 'qanat top | cat'");
  }
  ::cbreak();
  ::noecho();
  ::nonl();
  ::keypad(stdscr, TRUE);
  ::nodelay(stdscr, TRUE);
  // What an Escape begins, a terminal sends at once.
  constexpr int escape_delay = 25;  // ms
  ::set_escdelay(escape_delay);
  ::curs_set(0);
  if (!colours_wanted() || !::has_colors()) return;
  ::start_color();
  ::use_default_colors();
  constexpr short background = -1;  // the terminal's own
  ::init_pair(green, COLOR_GREEN, background);
  ::init_pair(yellow, COLOR_YELLOW, background);
  ::init_pair(red, COLOR_RED, background);
  ::init_pair(blue, COLOR_CYAN, background);
  colours_ = true;
}

Terminal::~Terminal() {
  ::curs_set(1);
  ::endwin();
}

std::size_t Terminal::width() const { return static_cast<std::size_t>(::getmaxx(stdscr)); }

std::size_t Terminal::height() const { return static_cast<std::size_t>(::getmaxy(stdscr)); }

void Terminal::draw(const std::vector<Line>& lines) const {
  ::werase(stdscr);
  int row = 0;
  for (const Line& line : lines) {
    ::wmove(stdscr, row++, 0);
    for (const Span& span : line) {
      ::wattrset(stdscr, static_cast<int>(attributes(span.style, colours_)));
      // The last column of the last line is written without scrolling.
      ::waddnstr(stdscr, span.text.data(), static_cast<int>(span.text.size()));
    }
  }
  ::wattrset(stdscr, A_NORMAL);
  ::wrefresh(stdscr);
}

std::optional<Key> Terminal::key() {
  const int code = ::wgetch(stdscr);
  if (code == ERR) return std::nullopt;
  switch (code) {
    case KEY_UP:
      return Key{Key::Kind::up};
    case KEY_DOWN:
      return Key{Key::Kind::down};
    case KEY_PPAGE:
      return Key{Key::Kind::page_up};
    case KEY_NPAGE:
      return Key{Key::Kind::page_down};
    case KEY_HOME:
      return Key{Key::Kind::home};
    case KEY_END:
      return Key{Key::Kind::end};
    default:
      break;
  }
  constexpr int last_ascii = 0x7e;
  if (code < ' ' || code > last_ascii) return Key{};
  return Key{Key::Kind::character, static_cast<char>(code)};
}

void Terminal::resize() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0) {
    return;
  }
  ::resizeterm(size.ws_row, size.ws_col);
  // Some terminals move what was drawn when they change.
  ::clearok(stdscr, TRUE);
}

void Terminal::suspend() {
  ::curs_set(1);
  ::endwin();
  // As the signal's own, so that a shell says so, and where there is no shell nothing happens.
  sigset_t stop;
  sigset_t before;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTSTP);
  ::signal(SIGTSTP, SIG_DFL);
  ::raise(SIGTSTP);
  ::pthread_sigmask(SIG_UNBLOCK, &stop, &before);  // stops here
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  take_again();
}

void Terminal::take_again() {
  ::endwin();
  resize();
  ::wrefresh(stdscr);
  ::curs_set(0);
}

}  // namespace qanat::cli::top
