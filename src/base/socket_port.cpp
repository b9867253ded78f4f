#include "base/socket_port.h"

#include <linux/vm_sockets.h>
#include <netinet/in.h>

#include <cstring>

namespace qanat {
namespace {

template <typename Name>
Name read_as(const sockaddr_storage& name) {
  Name value{};
  std::memcpy(&value, &name, sizeof value);
  return value;
}

}  // namespace

std::optional<std::uint32_t> port_of(const sockaddr_storage& name, std::size_t size) {
  switch (name.ss_family) {
    case AF_INET:
      if (size != sizeof(sockaddr_in)) return std::nullopt;
      return ntohs(read_as<sockaddr_in>(name).sin_port);
    case AF_INET6:
      if (size != sizeof(sockaddr_in6)) return std::nullopt;
      return ntohs(read_as<sockaddr_in6>(name).sin6_port);
    case AF_VSOCK:
      if (size != sizeof(sockaddr_vm)) return std::nullopt;
      return read_as<sockaddr_vm>(name).svm_port;
    default:
      return std::nullopt;
  }
}

}  // namespace qanat
