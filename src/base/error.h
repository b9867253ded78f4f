// The two ways to report what went wrong.
//
// `Result<T>` where failure is normal (a codec given bad input, a peer that is away). `Failure` is
// thrown where a person must act before the program can start or go on: bad configuration, a state
// directory that cannot be written, a port that is taken. Both carry one line for a person: what
// was wrong, where, and what would be right.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace qanat {

struct Error {
  std::string message;
  // Nothing went wrong: whoever waited was woken, to stop or to do something else.
  bool interrupted = false;
  // It is there, and what it gives is worth nothing: a source that is muted, frozen, tampered with.
  bool fault = false;
};

template <typename T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> error(std::string message) {
  return tl::unexpected<Error>(Error{std::move(message)});
}
inline tl::unexpected<Error> interrupted() {
  return tl::unexpected<Error>(Error{"interrupted", true});
}

inline tl::unexpected<Error> fault(std::string message) {
  return tl::unexpected<Error>(Error{.message = std::move(message), .fault = true});
}

class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// What an exception says, without where in a library's source it was thrown, and numbers that
// nobody knows: for a person.
std::string plain_what(const std::exception& problem);
// "what: No such file or directory", from an errno value.
std::string with_errno(std::string_view what, int errno_value);

}  // namespace qanat
