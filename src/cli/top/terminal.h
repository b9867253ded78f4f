// The terminal while `qanat top` has it: what is drawn, which keys are pressed, and that it is left
// as it was found.
#pragma once

#include <optional>
#include <vector>

#include "cli/top/line.h"

namespace qanat::cli::top {

struct Key {
  enum class Kind { character, up, down, page_up, page_down, home, end, other };
  Kind kind = Kind::other;
  char character = 0;
};

// One at a time. Destroyed, it gives back the screen that was there before, and a line that echoes.
class Terminal {
 public:
  // Whether standard output is a terminal on which a place can be drawn at (not TERM=dumb).
  static bool usable();

  // Throws Failure when the terminal cannot be set up. The locale's character set must be set
  // (setlocale).
  Terminal();
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  std::size_t width() const;
  std::size_t height() const;
  // Whether it shows more than ASCII.
  bool utf8() const { return utf8_; }

  void draw(const std::vector<Line>& lines) const;
  // The next key that was pressed; nullopt if none was.
  std::optional<Key> key();
  // After SIGWINCH: it has another size now.
  void resize();
  // Gives the terminal back, stops this process as Ctrl-Z does, and takes it again.
  void suspend();
  // Takes it as if new: another program may have drawn on it. After SIGCONT.
  void take_again();

 private:
  bool utf8_ = false;
  bool colours_ = false;
};

}  // namespace qanat::cli::top
