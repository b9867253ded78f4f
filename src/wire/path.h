// Which nodes bytes have passed: travels with every transfer between nodes, so that no node takes
// its own bytes for new ones. docs/http-api.md.
//
//   Qanat-Path: 0f1e2d3c4b5a6978, 8899aabbccddeeff
//
// in the header, the sender first; in a chunked stream also as a chunk's extension
// (;path="...", RFC 9112, 7.1.1), on the first chunk and whenever it changes.
//
// A path of more than 256 nodes names each by the first half of its id, so that 1,536 of them fit
// into a header of 16 KiB; of still more the nearest are named, and "*" stands for the rest.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "entropy/provenance.h"

namespace qanat::wire {

inline constexpr std::string_view path_header = "Qanat-Path";
inline constexpr std::size_t node_id_digits = 16;
// 32 bits: that one of 1,536 is taken for ours by chance happens to one node in 2.8 million.
inline constexpr std::size_t short_id_digits = 8;
// Up to so many are named in full.
inline constexpr std::size_t most_full_ids = 256;
// At 9 characters each, 13.8 KB of the 16 KiB that a client takes for a header.
inline constexpr std::size_t most_path_nodes = 1536;

// Of ids of 16 lower-case hex digits each, or the first 8 of them.
using Path = entropy::Provenance::Path;

// What is sent of it, most_path_nodes at the most.
std::string encode(const Path& path);
// Total. nullopt when it is no list of ids, or one of more than most_path_nodes. A "*" at the end
// is read over: what it stands for is not known here.
std::optional<Path> decode_path(std::string_view text);
// Whether the node of this id, in full, is in it; also by its half.
bool leads_through(const Path& path, std::string_view id);
// What a chunk's extensions, as RFC 9112 writes them, say of the path; nullopt when they say
// nothing. The text still has to be decoded.
std::optional<std::string_view> path_of_chunk(std::string_view extensions);

}  // namespace qanat::wire
