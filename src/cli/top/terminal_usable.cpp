// Apart from the rest: term.h has macros with such names as `lines` and `columns`.
#include <unistd.h>

#include <cstdint>

#include "cli/top/terminal.h"

#define NCURSES_NOMACROS
#include <curses.h>
#include <term.h>

namespace qanat::cli::top {

bool Terminal::usable() {
  if (::isatty(STDOUT_FILENO) != 1) return false;
  int problem = 0;
  if (::setupterm(nullptr, STDOUT_FILENO, &problem) != OK) return false;
  const char* const move = ::tigetstr("cup");
  // -1: no string at all in this description.
  const bool moves = move != nullptr && reinterpret_cast<std::intptr_t>(move) != -1;
  ::del_curterm(cur_term);
  return moves;
}

}  // namespace qanat::cli::top
