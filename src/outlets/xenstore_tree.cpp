#include "outlets/xenstore_tree.h"

#include <fmt/core.h>

#include <array>

#include "base/log.h"
#include "crypto/aead.h"

namespace qanat::outlets {

namespace xenstore = wire::xenstore;

namespace {

// A guest that is always at its own seed meets with itself.
constexpr int most_write_tries = 4;
constexpr std::string_view conflict = "conflict";
constexpr std::string_view end_of_string{"\0", 1};

std::string home_of(unsigned domain) { return fmt::format("{}/{}", xenstore::domains, domain); }

}  // namespace

std::string XenstoreTree::path_of(unsigned domain) const { return home_of(domain) + "/" + path_; }

Result<std::string_view> XenstoreTree::give(unsigned domain, Bytes seed) {
  for (int tries = 0; tries < most_write_tries; ++tries) {
    const auto begun = link_.begin();
    if (!begun) return tl::unexpected(begun.error());
    if (!begun->done()) return begun->refused;
    auto written = write(domain, seed);
    if (!written) return written;
    const auto ended = link_.end(written->empty());
    if (!ended) return tl::unexpected(ended.error());
    if (!written->empty()) return written;
    if (ended->refused != "EAGAIN") return ended->refused;
  }
  return conflict;
}

// Within a transaction, so that nobody sees the seed before its permissions are right, and no tree
// is made of a guest that has gone.
Result<std::string_view> XenstoreTree::write(unsigned domain, Bytes seed) {
  const auto home = link_.request(Kind::read, {home_of(domain), end_of_string});
  if (!home) return tl::unexpected(home.error());
  if (!home->done()) return home->refused == "ENOENT" ? gone : home->refused;
  const std::string path = path_of(domain);
  WipedArray<2 * xenstore::most_seed> digits;
  const MutableBytes text = digits.view().first(2 * seed.size());
  write_hex(seed, {reinterpret_cast<char*>(text.data()), text.size()});
  // The guest may write there, and so take away what it has read.
  auto done = put(path, as_text(text), xenstore::permissions_for(domain, 'b'));
  if (!done || !done->empty()) return done;
  const std::string beside = xenstore::generation_path(path);
  const auto generation = generation_of(domain, beside);
  if (!generation) return tl::unexpected(generation.error());
  return put(beside, xenstore::to_text({*generation, full_}),
             xenstore::permissions_for(domain, 'r'));
}

// One that lies there is of this guest, whoever has written it: a tree ends with its guest, and a
// restored one has a new one.
Result<std::string> XenstoreTree::generation_of(unsigned domain, const std::string& path) {
  const auto known = link_.request(Kind::read, {path, end_of_string});
  if (!known) return tl::unexpected(known.error());
  const auto id = xenstore::read_generation(as_text(known->payload)).id;
  std::array<std::uint8_t, xenstore::generation_id_bytes> bytes;
  if (read_hex(id, bytes)) return std::string(id);
  crypto::random_bytes(bytes);
  log_of_peer(LogLevel::info, home_of(domain), "{}: a guest begins, generation {}", path,
              to_hex(bytes));
  return to_hex(bytes);
}

Result<std::string_view> XenstoreTree::put(const std::string& path, std::string_view value,
                                           const std::string& permissions) {
  auto written = link_.request(Kind::write, {path, end_of_string, value});
  if (!written) return tl::unexpected(written.error());
  if (!written->done()) return written->refused;
  const auto owned = link_.request(Kind::set_permissions, {path, end_of_string, permissions});
  if (!owned) return tl::unexpected(owned.error());
  return owned->refused;
}

}  // namespace qanat::outlets
