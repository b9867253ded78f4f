// Join strings that this process was given, out of the texts in which sources are handed about.
#pragma once

#include <string>
#include <string_view>

#include "wire/join_string.h"

namespace qanat::sources {

// The text, which may be an argument, with a name ("qanat1-given.0") in place of each join string
// in it. They wait in ordinary memory, in one place each, for keep_join_strings: there may be no
// secret memory yet, and no parser of arguments shall copy them. Thread-safe, as are the others.
std::string set_join_strings_aside(std::string_view text);

// Where in an argument one that was set aside begins; npos for nowhere.
std::size_t find_set_aside(std::string_view text);

// The text with a name ("qanat1-kept.0") in place of each join string in it, and of each that was
// set aside; the text itself, and what was set aside, are wiped. Their keys are in secret memory
// from then on, for as long as the process lives; the same string has the same name. One that is
// damaged stays, for whoever can say what is wrong with it. After initialise_secret_memory.
std::string keep_join_strings(std::string text);

// Whether a text has the name of a kept one in it.
bool holds_kept(std::string_view text);
// Whether there is more than one in it, by a name or not.
bool holds_several(std::string_view text);
// Why a text that has the name of one in it, and more, is not a join string: what to do about it.
std::string why_not_alone(std::string_view text);

// What a join string, or its name, stands for.
Result<wire::JoinString> decode_join_string(std::string_view text);

}  // namespace qanat::sources
