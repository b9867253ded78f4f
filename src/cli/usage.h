// What a person is told who has typed something that is not understood.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace qanat::cli {

// Prints one line that says what is wrong, with the word that was probably meant, and one that says
// where help is. `problem` may be the parser's. Returns 2, the exit code.
int refuse_usage(const CLI::App& app, std::string problem);

// "; did you mean 'serve'?", or what else would do it, or nothing: of the commands below `app`.
std::string meant_command(const CLI::App& app, const std::string& wrong);

}  // namespace qanat::cli
