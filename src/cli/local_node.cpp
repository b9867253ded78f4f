#include "cli/local_node.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/quantity.h"
#include "cli/command.h"
#include "cli/control.h"
#include "cli/upstream_argument.h"
#include "node/state_dir.h"
#include "sources/registry.h"
#include "sources/upstream/names.h"

namespace qanat::cli {

peers::Endpoint endpoint_for(const std::string& from, const std::string& state) {
  if (from.empty()) {
    const std::string path = state_path(state);
    // A node that is stopped would take the request, and answer it some day.
    if (!find_node(path)) {
      require_state(path);
      throw Failure(fmt::format(
          "no node runs with the state directory {}; start one with 'qanat serve', name its "
          "directory with --state, or another node with --from",
          path));
    }
    (void)ask_for_text(path, "GET", "/healthz");
    return peers::unix_endpoint(node::StateDir(path).control_socket());
  }
  peers::Endpoint endpoint = sources::parse_upstream(read_upstream_argument(from));
  if (endpoint.pollen) {
    throw Failure("pollen=yes is for 'feed' and 'serve'; a pollen server gives seeds of 64 bytes");
  }
  return endpoint;
}

std::string explain(const peers::ClientError& problem, const std::string& from) {
  if (from.empty() && problem.trouble == peers::Trouble::unreachable) {
    return fmt::format(
        "no node runs here ({}); start one with 'qanat serve', name its directory with --state, or "
        "another node with --from",
        problem.message);
  }
  std::string words = problem.message;
  const auto replace = [&words](std::string_view in_http, std::string_view here) {
    const auto at = words.find(in_http);
    if (at != std::string::npos) words.replace(at, in_http.size(), here);
  };
  replace("(wait=)", "(--wait)");
  replace("grade=drbg", "--grade drbg");
  return words;
}

SecretBytes draw_full(const std::string& from, const std::string& state, std::size_t bytes,
                      const std::string& wait) {
  const auto patience = parse_duration(wait);
  if (!patience) throw UsageError("--wait " + wait + " is not a duration; try 30s");
  const Waker waker;
  peers::HttpClient client(endpoint_for(from, state), waker,
                           {.silence = *patience + beyond_the_line});
  SecretBytes out(bytes);
  std::size_t filled = 0;
  const auto response = client.random(
      {.bytes = bytes, .grade = spec::Grade::full, .wait = *patience}, [&](Bytes part) {
        const std::size_t n = std::min(part.size(), bytes - filled);
        std::copy_n(part.begin(), n, out.view().begin() + static_cast<std::ptrdiff_t>(filled));
        filled += n;
        return true;
      });
  if (!response) throw Failure(explain(response.error(), from));
  return out;
}

}  // namespace qanat::cli
