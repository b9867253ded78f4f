// Whether a terminal should be given colours, and told to move its cursor.
#pragma once

namespace qanat {

// False where NO_COLOR is set and not empty (https://no-color.org), and on a terminal that cannot
// (TERM=dumb). Whether there is a terminal at all is another question.
bool colours_wanted();

// TERM=dumb, or none: a line is all that can be written there.
bool terminal_is_dumb();

}  // namespace qanat
