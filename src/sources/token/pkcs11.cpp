#include "sources/token/pkcs11.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>

#include "base/files.h"
#include "sources/type.h"
#include "spec/options.h"

namespace qanat::sources {

using namespace std::chrono_literals;

namespace {

// "file:PATH", or a path.
std::string pin_file_of(const spec::Spec& spec) {
  const auto source = spec.option("pin-source");
  if (!source) return "";
  std::string_view path = *source;
  if (path.starts_with("file:")) path.remove_prefix(5);
  if (path.starts_with("//")) path.remove_prefix(2);
  if (!path.starts_with('/')) {
    throw Failure(
        "pkcs11: pin-source= names no file by its whole path; write it like "
        "pin-source=file:/etc/qanat/pin");
  }
  return std::string(path);
}

std::shared_ptr<Pkcs11Token> token_of(const spec::Spec& spec) {
  // What is left of a query that is no list of name=value: perhaps with a PIN in it.
  if (spec.target.find('?') != std::string::npos) {
    throw Failure(
        "pkcs11: what follows the '?' must be name=value, joined by '&', each once; within a value "
        "write '?' as %3F and '&' as %26");
  }
  // A typing error's way to have it shown: '&' in place of '?'.
  if (spec.target.find("pin-") != std::string::npos) {
    throw Failure(fmt::format("{}: a PIN stands behind a '?': pkcs11:token=NAME?pin-source=file:F",
                              spec.text));
  }
  for (const auto& [key, value] : spec.options) {
    if (value.find(";pin") == std::string::npos) continue;
    throw Failure(fmt::format("{}: what follows the '?' is joined by '&', not ';'", spec.text));
  }
  auto token = std::make_shared<Pkcs11Token>();
  token->uri = "pkcs11:" + spec.target;
  check_pkcs11_uri(token->uri);
  token->module_path = spec.option("module-path").value_or("");
  token->module_name = spec.option("module-name").value_or("");
  if (!token->module_path.empty() && !token->module_path.starts_with('/')) {
    throw Failure(fmt::format("{}: module-path={} is not the whole path of a file", spec.text,
                              token->module_path));
  }
  token->pin_file = pin_file_of(spec);
  token->pin = SecretBytes(as_bytes(spec.option("pin-value").value_or("")));
  if (!token->pin.empty() && !token->pin_file.empty()) {
    throw Failure(fmt::format("{}: give pin-source= or pin-value=, not both", spec.text));
  }
  return token;
}

void look_at_files(const Pkcs11Token& token, spec::Obstacles& found) {
  if (!token.module_path.empty() && ::access(token.module_path.c_str(), R_OK) != 0) {
    found.push_back(
        {with_errno("cannot read the module " + token.module_path, errno), "module-path"});
  }
  if (!token.pin_file.empty()) result_into(found, "pin-source", read_pin_file(token.pin_file));
}

SourcePlan read_pkcs11(const spec::Spec& spec, entropy::Claim usual) {
  spec::require(spec, p11_kit_there());
  const auto token = token_of(spec);
  const bool claimed = spec.option("h") || spec.option("credit");
  usual.credit = spec.option("h").has_value();
  const LibrarySource::Settings settings{.who = "the token",
                                         .piece = 256,
                                         .open_patience = 60s,
                                         .patience = 10s,
                                         .closed_at_rest = false};
  return {.name = spec.text,
          .claim = spec::claim_of(spec, usual),
          .note = claimed ? ""
                          : "behind a module may be a program as well as a device: credited only "
                            "as h= or credit=yes claims",
          .foreign_library = true,
          .make =
              [token, settings] {
                return std::make_unique<LibrarySource>(
                    [token] { return make_pkcs11_session(token); }, settings);
              },
          .look = [token](spec::Obstacles& found) { look_at_files(*token, found); }};
}

Availability by_p11_kit() {
  if (const auto there = p11_kit_there(); !there) return {false, there.error().message};
  return {true, "name the token, or its module with module-path="};
}

}  // namespace

Result<SecretBytes> read_pin_file(const std::string& path) {
  constexpr std::size_t most_bytes = 256;
  auto pin = read_secret_file(path, most_bytes, FileKind::regular);
  if (!pin) return pin;
  Bytes text = pin->view();
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) {
    text = text.first(text.size() - 1);
  }
  return SecretBytes(text);
}

// Unknown hardware, half; and credited where the operator claims something, as of SoftHSM the bytes
// are those of this machine's kernel.
//
// A piece: cards give 8 bytes in some 20 ms, so less than a second. Patience: a module asks all its
// readers, or HSMs on a network, before it is there.
extern const SourceType pkcs11_type{
    .name = "pkcs11",
    .target = "[URI]",
    .usual = {4, false},
    .options = "module-path module-name pin-source pin-value",
    .summary = "the generator of a PKCS#11 token; credited where h= is written",
    .read = read_pkcs11,
    .available = by_p11_kit,
};

}  // namespace qanat::sources
