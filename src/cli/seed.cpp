#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>

#include "base/files.h"
#include "base/quantity.h"
#include "base/suggest.h"
#include "cli/command.h"
#include "cli/local_node.h"
#include "cli/output.h"
#include "machine/boot_seed.h"
#include "wire/guest_seed.h"

namespace qanat::cli {
namespace {

struct SeedOptions {
  std::string format;
  std::string bytes = "64";
  std::string output;
  std::string from;
  std::string wait = "10s";
  std::string state;
};

std::string known_formats() {
  std::string known;
  for (const auto& info : wire::guest_formats()) {
    known += fmt::format("{}{}", known.empty() ? "" : ", ", info.name);
  }
  return known;
}

// A file of our own, which nobody else may read: a seed that is put over another is one of two that
// are used twice.
UniqueFd make_new(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd && errno == EEXIST) {
    throw Failure(path + " is there already, perhaps another guest's seed: take another name");
  }
  if (!fd) throw Failure(with_errno("cannot make " + path, errno));
  return fd;
}

void draw_into(int fd, const std::string& path, const SeedOptions& options,
               wire::GuestFormat format, std::size_t bytes) {
  const SecretBytes seed = draw_full(options.from, options.state, bytes, options.wait);
  const SecretBytes content = wire::encode_guest_seed(format, seed.view());
  if (auto written = write_all(fd, path, content.view()); !written) {
    throw Failure(written.error().message);
  }
}

int make_seed(const SeedOptions& options) {
  const wire::GuestFormatInfo* const format = wire::find_guest_format(options.format);
  if (format == nullptr) {
    const std::string known = known_formats();
    throw UsageError(fmt::format("--for-guest {}: known are {}{}", options.format, known,
                                 did_you_mean(options.format, words_of(known))));
  }
  const auto bytes = parse_size(options.bytes);
  if (!bytes || *bytes < machine::BootSeed::least_bytes || *bytes > machine::BootSeed::most_bytes) {
    throw UsageError("--bytes " + options.bytes + ": from 32 (256 bits) to 512");
  }
  // Before anything is drawn: a seed that nobody gets is lost to all.
  if (options.output.empty() && !format->text && ::isatty(STDOUT_FILENO) == 1) {
    throw Failure("raw bytes are not for a terminal: add --output FILE");
  }
  if (options.output.empty()) {
    require_output();
    draw_into(STDOUT_FILENO, "standard output", options, format->format, *bytes);
    return 0;
  }
  const UniqueFd file = make_new(options.output);
  try {
    draw_into(file.get(), options.output, options, format->format, *bytes);
  } catch (const Failure&) {
    ::unlink(options.output.c_str());
    throw;
  }
  return 0;
}

}  // namespace

Run add_seed(CLI::App& command) {
  auto options = std::make_shared<SeedOptions>();
  std::string formats;
  std::string choices;
  for (const auto& info : wire::guest_formats()) {
    choices += fmt::format("{}{}", choices.empty() ? "" : "|", info.name);
    formats += fmt::format("\n  {:<12} {}", info.name, info.summary);
  }
  command.footer(
      "One seed for one machine, never given twice. How each form is used: "
      "docs/virtual-machines.md.\n\nForms:" +
      formats);
  command.add_option("--for-guest", options->format, "Form of the seed, as below")
      ->required()
      ->type_name(choices);
  command.add_option("--bytes", options->bytes, "Bytes of the seed, 32 to 512 (default: 64)");
  command.add_option("--output", options->output,
                     "A new file, mode 0600 (default: standard output)");
  command.add_option("--from", options->from,
                     "Join string, URL, @FILE or - (default: the local node)");
  command.add_option("--wait", options->wait, "How long to stay in line (default: 10s)");
  command.add_option("--state", options->state, "The local node's state directory");
  return [options] {
    ignore_broken_pipes();
    return make_seed(*options);
  };
}

}  // namespace qanat::cli
