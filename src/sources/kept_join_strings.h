// Join strings that this process was given, out of the texts in which sources are handed about.
#pragma once

#include <string>
#include <string_view>

#include "wire/join_string.h"

namespace qanat::sources {

// The text with a name ("qanat1-kept.0") in place of each join string in it, and the text itself
// wiped. Their keys are in secret memory from then on, for as long as the process lives; the same
// string has the same name. One that is damaged stays, for whoever can say what is wrong with it.
// Thread-safe, as is the other. After initialise_secret_memory.
std::string keep_join_strings(std::string text);

// What a join string, or its name, stands for.
Result<wire::JoinString> decode_join_string(std::string_view text);

}  // namespace qanat::sources
