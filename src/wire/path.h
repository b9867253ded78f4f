// Which nodes bytes have passed: travels with every transfer between nodes, so that no node takes
// its own bytes for new ones. docs/http-api.md.
//
//   Qanat-Path: 0f1e2d3c4b5a6978, 8899aabbccddeeff
//
// in the header, the sender first; in a chunked stream also as a chunk's extension
// (;path="...", RFC 9112, 7.1.1), on the first chunk and whenever it changes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace qanat::wire {

inline constexpr std::string_view path_header = "Qanat-Path";
inline constexpr std::size_t node_id_digits = 16;
// No tree is so wide above one node that more lie behind its bytes.
inline constexpr std::size_t most_path_nodes = 256;

// Ids of nodes, 16 lower-case hex digits each.
using Path = std::vector<std::string>;

std::string encode(const Path& path);
// Total. nullopt when it is no list of ids, or one of more than most_path_nodes.
std::optional<Path> decode_path(std::string_view text);
// What a chunk's extensions, as RFC 9112 writes them, say of the path; nullopt when they say
// nothing. The text still has to be decoded.
std::optional<std::string_view> path_of_chunk(std::string_view extensions);

}  // namespace qanat::wire
