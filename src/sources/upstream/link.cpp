#include "sources/upstream/link.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/shown.h"
#include "crypto/aead.h"
#include "wire/pollen.h"

namespace qanat::sources {

using peers::ClientError;
using peers::Trouble;
using namespace std::chrono_literals;

namespace {

// Of an exchange beside the time in the hub's line: to connect, and for the way there and back.
constexpr Duration to_connect = 10s;
constexpr Duration beyond_the_line = 20s;
// A hub begins to answer when it has all; then it sends at the speed of the slowest line.
constexpr Duration to_answer = 10s;
constexpr std::size_t slowest_line = 1024;  // bytes a second
constexpr Duration pollen_patience = 15s;
// Of many questions to one pollen server.
constexpr Duration most_pollen_time = 60s;

peers::HttpClient::Bounds bounds_of(std::size_t bytes, Duration wait) {
  const Duration answer = to_answer + std::chrono::seconds(bytes / slowest_line);
  return {.whole = to_connect + wait + beyond_the_line + answer, .answer = answer, .body = bytes};
}

}  // namespace

UpstreamLink::UpstreamLink(peers::Endpoint endpoint, std::string own_id,
                           const std::string& cookie_directory, const Waker& stop)
    : own_id_(std::move(own_id)),
      client_(std::move(endpoint), stop, {.connect = to_connect, .silence = 1h}),
      trickle_(client_.endpoint(), cookie_directory, stop) {}

tl::expected<UpstreamLink::Transfer, ClientError> UpstreamLink::seed(MutableBytes out, bool& full) {
  const auto grade = trickle_.ask(out, wire::trickle::Grade::full_or_drbg);
  if (!grade) return tl::unexpected(grade.error());
  full = *grade == wire::trickle::Grade::full;
  // It has done its work, and costs the hub memory.
  client_.disconnect();
  fetched_ = false;
  return Transfer{judge(out, wire::Path()), {}};
}

tl::expected<UpstreamLink::Transfer, ClientError> UpstreamLink::fetch_pollen(MutableBytes out) {
  namespace pollen = wire::pollen;
  SecretBytes seed(pollen::seed_bytes);
  const TimePoint end = Clock().now() + most_pollen_time;
  for (std::size_t filled = 0; filled < out.size();) {
    if (Clock().now() >= end) {
      return tl::unexpected(ClientError{Trouble::unreachable, name() + " is too slow"});
    }
    std::array<std::uint8_t, 64> noise{};
    crypto::random_bytes(noise);
    const std::string challenge = to_hex(noise);
    SecretBytes reply(pollen::reply_bytes + 2);
    std::size_t size = 0;
    const auto response = client_.request(
        "POST", "/", pollen::encode_question(challenge),
        [&](Bytes piece) {
          std::copy(piece.begin(), piece.end(),
                    reply.view().begin() + static_cast<std::ptrdiff_t>(size));
          size += piece.size();
          return true;
        },
        pollen::form_type, {.whole = pollen_patience, .answer = {}, .body = reply.size()});
    if (!response) return tl::unexpected(response.error());
    if (!pollen::read_reply(Bytes(reply.view()).first(size), challenge,
                            std::span<std::uint8_t, pollen::seed_bytes>(seed.view()))) {
      return tl::unexpected(
          ClientError{Trouble::protocol, name() + " gives no pollen for our challenge"});
    }
    const std::size_t n = std::min(seed.size(), out.size() - filled);
    std::copy_n(seed.view().begin(), n, out.begin() + static_cast<std::ptrdiff_t>(filled));
    filled += n;
  }
  return Transfer{judge(out, wire::Path()), {}};
}

void UpstreamLink::prepare_seeds() {
  if (std::exchange(fetched_, false) || trickle_.wants_session()) trickle_.refill(client_);
}

tl::expected<UpstreamLink::Transfer, ClientError> UpstreamLink::fetch(MutableBytes out, bool full,
                                                                      Duration wait) {
  std::size_t filled = 0;
  const auto response = client_.random(
      {.bytes = out.size(), .grade = full ? spec::Grade::full : spec::Grade::drbg, .wait = wait},
      [&](Bytes piece) {
        std::copy(piece.begin(), piece.end(), out.begin() + static_cast<std::ptrdiff_t>(filled));
        filled += piece.size();
        return true;
      },
      bounds_of(out.size(), wait));
  if (!response) return tl::unexpected(response.error());
  auto path = wire::decode_path(client_.path());
  fetched_ = true;
  Transfer transfer{judge(out, path), {}};
  if (path) transfer.path = std::move(*path);
  return transfer;
}

std::string UpstreamLink::judge(Bytes bytes, const std::optional<wire::Path>& path) {
  const bool blocks_pass = judge_blocks(bytes);
  const bool fresh = !replay_.came_before(bytes);
  if (!path) return fmt::format("{} sent a path that cannot be read", name());
  if (!own_id_.empty() && wire::leads_through(*path, own_id_)) {
    return fmt::format("a loop: this node, {}, is behind the bytes of {} ({})", own_id_, name(),
                       shown(wire::encode(*path)));
  }
  if (!fresh) return fmt::format("{} sent the same bytes twice", name());
  // Below 64 bytes the statistic has no meaning.
  const bool nibbles_pass =
      bytes.size() < 64 || entropy::nibble_chi_square(bytes) <= entropy::nibble_limit;
  if (!blocks_pass || !nibbles_pass) {
    return fmt::format("a transfer of {} failed the statistical tests", name());
  }
  return "";
}

// An ideal source fails FIPS 140-2 in one block of 1,250, and two in a row in one of 1.5 million.
bool UpstreamLink::judge_blocks(Bytes bytes) {
  const MutexLock lock(mutex_);
  const entropy::BlockTests::Counts before = block_tests_.counts();
  block_tests_.add(bytes);
  const entropy::BlockTests::Counts after = block_tests_.counts();
  if (after.blocks > before.blocks) {
    fips_failed_in_row_ = after.fips_failed > before.fips_failed ? fips_failed_in_row_ + 1 : 0;
  }
  return fips_failed_in_row_ < 2 && after.weak == before.weak;
}

std::optional<crypto::Pin> UpstreamLink::key() {
  if (client_.endpoint().trust.pin) return client_.endpoint().trust.pin;
  const auto key = client_.server_key();
  return key ? key : trickle_.server_key();
}

entropy::BlockTests::Counts UpstreamLink::blocks() const {
  const MutexLock lock(mutex_);
  return block_tests_.counts();
}

}  // namespace qanat::sources
