#include "base/version.h"

#include <fmt/core.h>
#include <openssl/crypto.h>
#include <sodium.h>

#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "outlets/http/web_files.h"

namespace qanat::cli {

std::string version_text() {
  return fmt::format("qanat {}\nFeatures: {} {}dashboard\nLibraries: OpenSSL {}, libsodium {}",
                     version(), features(), outlets::web_files().empty() ? '-' : '+',
                     OpenSSL_version(OPENSSL_VERSION_STRING), sodium_version_string());
}

Run add_version(CLI::App& command) {
  command.footer("A '+' marks what this program was built with, a '-' what it was built without.");
  return [] {
    fmt::print("{}\n", version_text());
    return 0;
  };
}

}  // namespace qanat::cli
