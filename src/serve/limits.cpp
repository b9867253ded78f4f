#include "serve/limits.h"

#include <algorithm>

namespace qanat::serve {

Limits within_descriptors(Limits limits, std::size_t descriptors, std::size_t outlets) {
  // For sources, files, threads' own, and the control socket.
  constexpr std::size_t of_node = 128;
  const std::size_t left = descriptors - std::min(of_node, descriptors / 2);
  const std::size_t each = std::max<std::size_t>(1, left / std::max<std::size_t>(1, outlets));
  // A peer without a name may have half of what was meant, and never all that there are.
  limits.peer_connections =
      std::max<std::size_t>(1, std::min(limits.connections / 2, each / 4 * 3));
  limits.connections = std::min(limits.connections, each);
  return limits;
}

}  // namespace qanat::serve
