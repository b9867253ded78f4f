#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <csignal>

#include "base/quantity.h"
#include "cli/command.h"
#include "cli/control.h"
#include "cli/local_node.h"
#include "cli/progress.h"
#include "node/state_dir.h"
#include "peers/http_client.h"
#include "peers/transfer_size.h"
#include "peers/trickle_client.h"
#include "wire/http_api.h"

namespace qanat::cli {
namespace {

struct GetOptions {
  std::string bytes;
  std::string from;
  std::string grade = "drbg";
  std::string format;
  std::string wait = "10s";
  std::string state;
};

// What is wrong, when it could not.
tl::expected<void, int> write_out(Bytes bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return tl::unexpected(errno);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

void require_written(const tl::expected<void, int>& written) {
  if (!written) throw Failure(with_errno("cannot write to standard output", written.error()));
}

// What one request of grade drbg may ask for (docs/http-api.md).
constexpr std::uint64_t most_drbg = std::uint64_t{1} << 30;

// In the text form of the API, without its newline.
std::string formatted(Bytes bytes, wire::Format format) {
  return format == wire::Format::hex ? to_hex(bytes) : to_base64(bytes);
}

// Few bytes from a hub that offers trickle, with the cookies of an earlier time: one datagram there
// and one back. False when they must come over HTTPS.
bool get_by_trickle(peers::TrickleClient& trickle, std::size_t bytes, spec::Grade grade,
                    wire::Format format) {
  SecretBytes out(bytes);
  const auto got = trickle.ask(out.view(), wire::trickle::only(grade));
  if (!got && got.error().trouble == peers::Trouble::unreachable) return false;
  if (!got) throw Failure(got.error().message);
  // It may give what was not asked for; over HTTPS it may do better, and that is checked there.
  if (*got != wire::trickle::only(grade)) return false;
  require_written(format == wire::Format::raw
                      ? write_out(out.view())
                      : write_out(as_bytes(formatted(out.view(), format) + "\n")));
  return true;
}

// For few bytes from another node, where cookies can be kept.
std::unique_ptr<peers::TrickleClient> trickle_for(const GetOptions& options, std::uint64_t bytes,
                                                  const peers::Endpoint& endpoint,
                                                  const Waker& waker) {
  if (options.from.empty() || bytes > peers::TrickleClient::most_bytes) return nullptr;
  if (!options.state.empty()) require_state(options.state);
  const auto cookies = node::StateDir(state_path(options.state)).cookie_directory();
  if (!cookies) return nullptr;
  return std::make_unique<peers::TrickleClient>(endpoint, *cookies, waker);
}

// A terminal that gets raw bytes beeps, and may take some for commands.
wire::Format format_of(const GetOptions& options) {
  if (options.format.empty()) {
    return ::isatty(STDOUT_FILENO) == 1 ? wire::Format::hex : wire::Format::raw;
  }
  const auto format = wire::parse_format(options.format);
  if (!format || *format == wire::Format::json) {
    throw UsageError("--format " + options.format + ": raw, hex or base64");
  }
  return *format;
}

int draw(const GetOptions& options) {
  const auto bytes = parse_size(options.bytes);
  if (!bytes || *bytes == 0) {
    throw UsageError(
        fmt::format("{} is not a number of bytes of at least 1; write it like 32, 4KiB or 100M",
                    options.bytes));
  }
  const auto grade = spec::parse_grade(options.grade);
  if (!grade) throw UsageError("--grade " + options.grade + ": full or drbg");
  const auto format = format_of(options);
  const auto wait = parse_duration(options.wait);
  if (!wait) throw UsageError("--wait " + options.wait + " is not a duration; try 30s");
  const Waker waker;
  peers::HttpClient client(endpoint_for(options.from, options.state), waker,
                           {.silence = *wait + beyond_the_line});
  const auto trickle = trickle_for(options, *bytes, client.endpoint(), waker);
  if (trickle && get_by_trickle(*trickle, static_cast<std::size_t>(*bytes), *grade, format)) {
    return 0;
  }
  Progress progress(*bytes, *bytes > 1'000'000);
  // Text comes piece by piece, each whole: pieces of a multiple of 3 join as base64 does.
  std::string carry;
  std::uint64_t left = *bytes;
  tl::expected<void, int> written;
  const bool text = format != wire::Format::raw;
  const bool full = *grade == spec::Grade::full;
  peers::TransferSize full_piece;
  while (left > 0) {
    std::uint64_t piece = std::min<std::uint64_t>(left, full ? full_piece.bytes() : most_drbg);
    const TimePoint began = Clock().now();
    if (text && piece < left) piece -= piece % 3;
    std::string line;
    const Duration patience =
        full ? peers::TransferSize::patience(static_cast<std::size_t>(piece), *wait) : *wait;
    const auto response = client.random(
        {.bytes = piece, .grade = *grade, .format = format, .wait = patience}, [&](Bytes part) {
          progress.add(text ? part.size() / 2 : part.size());
          // A text ends with one newline, which belongs to the last piece only.
          if (text && part.back() == '\n') part = part.first(part.size() - 1);
          if (!part.empty()) written = write_out(part);
          return written.has_value();
        });
    require_written(written);
    // Nothing of a refused piece was written. Too much at once, perhaps.
    if (!response && response.error().trouble == peers::Trouble::busy && full &&
        full_piece.refused(static_cast<std::size_t>(piece))) {
      continue;
    }
    if (!response) {
      const std::string done =
          left < *bytes ? fmt::format("{} of {} bytes were written; then ", *bytes - left, *bytes)
                        : "";
      throw Failure(done + explain(response.error(), options.from));
    }
    full_piece.answered(Clock().now() - began);
    left -= piece;
  }
  if (text) require_written(write_out(as_bytes("\n")));
  if (trickle) trickle->refill(client);
  return 0;
}

}  // namespace

Run add_get(CLI::App& command) {
  auto options = std::make_shared<GetOptions>();
  command.add_option("bytes", options->bytes, "How many: 32, 4KiB, 100M")->required();
  command.add_option("--from", options->from,
                     "Join string, URL, @FILE or - (default: the local node)");
  command.add_option("--grade", options->grade,
                     "Full-entropy bytes, or those of a DRBG (default: drbg)");
  command.add_option("--format", options->format,
                     "Form of the output (default: raw, and hex on a terminal)");
  command.add_option("--wait", options->wait,
                     "At grade full: how long to stay in line for each piece of the bytes "
                     "(default: 10s)");
  command.add_option(
      "--state", options->state,
      "State directory of the local node; cookies of other nodes are kept there, too "
      "(default: /var/lib/qanat)");
  return [options] {
    std::signal(SIGPIPE, SIG_IGN);
    return draw(*options);
  };
}

}  // namespace qanat::cli
