// The port in a socket's address.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>

namespace qanat {

// Of an address of TCP's, UDP's or vsock's, of exactly its family's size; nullopt of any other.
std::optional<std::uint32_t> port_of(const sockaddr_storage& name, std::size_t size);

}  // namespace qanat
