// The part of HttpConnection that delivers random bytes.
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/quantity.h"
#include "outlets/http_connection.h"
#include "outlets/limits.h"
#include "wire/path.h"
#include "wire/pollen.h"

namespace qanat::outlets {

namespace asio = boost::asio;
using wire::Format;
using wire::Grade;
using namespace std::chrono_literals;

namespace {

// For a Retry-After header: no less than the 1 that HTTP can say.
unsigned retry_after(Duration wait) { return std::max(1U, retry_seconds(wait)); }

constexpr std::string_view json_head = R"({"bytes": )";
constexpr std::size_t pollen_seed_bytes = wire::pollen::seed_bytes;
// A connection in the middle of a gigabyte lets the others of its thread have a turn.
constexpr std::size_t bytes_between_turns = 1 << 20;
// Raw bytes of one encoded piece: a multiple of 3, so that base64 pieces join without padding, and
// at two characters a byte (hex) within one block with its header.
constexpr std::size_t encoded_piece = 7680;
static_assert(encoded_piece % 3 == 0 && 2 * encoded_piece < HttpConnection::block_bytes);

std::string_view content_type(Format format) {
  return format == Format::raw    ? "application/octet-stream"
         : format == Format::json ? "application/json"
                                  : "text/plain";
}

// Of the whole body, or for json of what surrounds the base64 text.
std::uint64_t encoded_size(Format format, std::uint64_t bytes) {
  switch (format) {
    case Format::raw:
      return bytes;
    case Format::hex:
      return 2 * bytes + 1;
    case Format::base64:
      return base64_size(bytes) + 1;
    case Format::json:
      return base64_size(bytes);
  }
  return bytes;
}

std::string path_line(const entropy::Provenance::Ids& ids) {
  return fmt::format("{}: {}\r\n", wire::path_header, wire::encode(ids));
}

std::string chunk_extension(const entropy::Provenance::Ids& ids) {
  return fmt::format(";path=\"{}\"", wire::encode(ids));
}

std::size_t encode_piece(Format format, Bytes raw, MutableBytes out) {
  char* const text = reinterpret_cast<char*>(out.data());
  if (format == Format::hex) {
    write_hex(raw, {text, 2 * raw.size()});
    return 2 * raw.size();
  }
  write_base64(raw, {text, base64_size(raw.size())});
  return base64_size(raw.size());
}

}  // namespace

// Refuses at once what the line in front of it makes impossible in time; whether it did.
asio::awaitable<bool> HttpConnection::refuse_hopeless(std::size_t bytes, Duration patience) {
  const auto estimate =
      worker_.services_.dispenser.estimate(flow(), bytes, worker_.services_.clock.now());
  if (!estimate || estimate->wait <= patience) co_return false;
  if (client_) ++client_->refused;
  const bool lost = estimate->wait == Duration::max();
  const unsigned later = retry_after(lost ? worth_a_try(estimate) : estimate->wait - patience);
  if (lost) {
    ++worker_.counters_.unavailable;
    co_await refuse(503, "no source delivers full-entropy bytes now",
                    "take grade=drbg, or ask again later", later);
    co_return true;
  }
  const std::string hint = fmt::format(
      "with those who wait, {} bytes take some {}; ask for fewer, wait longer (wait=), or take "
      "grade=drbg",
      bytes, format_duration(estimate->wait));
  // Whose fault is it? Alone it would have had them: then its share is too small, not the supply.
  if (estimate->alone <= patience) {
    ++worker_.counters_.over_share;
    co_await refuse(429, "over your share of the full-entropy bytes", hint, later);
  } else {
    ++worker_.counters_.unavailable;
    co_await refuse(503, "the sources cannot give so many full-entropy bytes in time", hint, later);
  }
  co_return true;
}

// After it has stood in line in vain.
asio::awaitable<void> HttpConnection::refuse_full(std::size_t bytes, Duration waited) {
  ++worker_.counters_.unavailable;
  if (client_) ++client_->refused;
  const auto estimate =
      worker_.services_.dispenser.estimate(flow(), bytes, worker_.services_.clock.now());
  const std::string hint = fmt::format(
      "waited {:.1f} s; ask for fewer, wait longer (wait=), or take grade=drbg", seconds(waited));
  co_await refuse(503, "the reserve has no full-entropy bytes for you yet", hint,
                  retry_after(worth_a_try(estimate)));
}

// Refuses a request of grade drbg whose client or block has used up its tokens; whether it did.
asio::awaitable<bool> HttpConnection::refuse_fast(std::uint64_t bytes) {
  const Limits& limits = worker_.settings_.limits;
  const std::uint64_t cost =
      limits.drbg_request + std::min<std::uint64_t>(bytes, bytes_between_turns);
  const Duration wait = take_drbg(worker_.services_, limits, peer_, client_.get(), cost,
                                  worker_.services_.clock.now());
  if (wait == Duration::zero()) co_return false;
  ++worker_.counters_.over_share;
  if (client_) ++client_->refused;
  co_await refuse(429, "over your rate of grade drbg",
                  "slow down; docs/configuration.md: [drbg] client_rate, block_rate",
                  retry_after(wait));
  co_return true;
}

asio::awaitable<void> HttpConnection::refuse_unseeded() {
  co_await refuse(503, "the DRBG has no seed yet", "the sources are still in their start-up tests",
                  1);
}

asio::awaitable<void> HttpConnection::send_random(const wire::RandomRequest& request) {
  if (request.grade == Grade::drbg) {
    const bool refused = co_await refuse_fast(request.bytes);
    if (!refused) co_await send_random_body(request, {});
    co_return;
  }
  const bool hopeless = co_await refuse_hopeless(request.bytes, request.wait);
  if (hopeless) co_return;
  auto drawn = co_await draw(request.bytes, request.wait);
  if (!drawn) {
    if (closing_) {
      keep_alive_ = false;
      co_return;
    }
    co_return co_await refuse_full(request.bytes, request.wait);
  }
  co_await send_random_body(request, drawn->bytes.view());
  if (closing_ || !delivered_) {
    worker_.counters_.undelivered += request.bytes;
    co_return;
  }
  drawn->withdrawal.delivered(request.bytes);
  count_full(request.bytes);
}

// `full` holds the bytes for grade full; for drbg they are made block by block.
asio::awaitable<void> HttpConnection::send_random_body(const wire::RandomRequest& request,
                                                       Bytes full) {
  const bool raw = request.format == Format::raw;
  const bool drbg = request.grade == Grade::drbg;
  delivered_ = false;
  const auto lease = worker_.pool_.lease();
  const auto raw_lease = raw ? SecretPool::Lease() : worker_.pool_.lease();
  const MutableBytes block = lease.view();

  std::string head;
  std::string tail = raw ? "" : "\n";
  if (request.format == Format::json) {
    head = fmt::format("{}{}, \"grade\": \"{}\", \"data\": \"", json_head, request.bytes,
                       to_string(request.grade));
    tail = "\"}\n";
  }
  const std::uint64_t length = encoded_size(request.format, request.bytes) +
                               (request.format == Format::json ? head.size() + tail.size() : 0);
  std::size_t filled = write_header(block, 200, content_type(request.format), length,
                                    path_line(*worker_.services_.provenance.all()));
  std::copy(head.begin(), head.end(), block.begin() + static_cast<std::ptrdiff_t>(filled));
  filled += head.size();

  std::uint64_t left = request.bytes;
  std::size_t since_turn = 0;
  while (left > 0) {
    const std::size_t room =
        raw ? block.size() - filled : std::min(encoded_piece, (block.size() - filled) / 2 / 3 * 3);
    const std::size_t n = static_cast<std::size_t>(std::min<std::uint64_t>(left, room));
    const MutableBytes target = raw ? block.subspan(filled, n) : raw_lease.view().first(n);
    if (!drbg) {
      std::copy_n(full.end() - static_cast<std::ptrdiff_t>(left), n, target.begin());
    } else if (!worker_.services_.drbg.generate(worker_.slot_, target,
                                                worker_.services_.clock.now())) {
      ++worker_.counters_.unavailable;
      co_return co_await refuse_unseeded();
    }
    filled += raw ? n : encode_piece(request.format, target, block.subspan(filled));
    if (!raw) wipe(target);
    left -= n;
    if (left == 0 && !tail.empty() && filled + tail.size() <= block.size()) {
      std::copy(tail.begin(), tail.end(), block.begin() + static_cast<std::ptrdiff_t>(filled));
      filled += tail.size();
      tail.clear();
    }
    const bool written = co_await write(block.first(filled));
    wipe(block.first(filled));
    if (!written) co_return;
    since_turn += filled;
    filled = 0;
    if (since_turn >= bytes_between_turns) {
      const Duration owed = drbg ? charge(since_turn) : Duration::zero();
      since_turn = 0;
      if (owed > Duration::zero()) co_await pause(worker_.services_.clock.now() + owed);
      if (closing_) co_return;
      co_await asio::post(worker_.context_, asio::use_awaitable);
    }
  }
  if (!tail.empty()) {
    const bool ended = co_await write(as_bytes(tail));
    if (!ended) co_return;
  }
  proof_.clear();
  delivered_ = true;
  ++worker_.counters_.deliveries;
  if (drbg) count_drbg(request.bytes);
}

asio::awaitable<void> HttpConnection::send_pollen(const wire::PollenRequest& request) {
  WipedArray<pollen_seed_bytes> seed;
  std::optional<Drawn> drawn;
  if (worker_.settings_.pollen_grade == Grade::full) {
    constexpr Duration patience = 10s;
    const bool hopeless = co_await refuse_hopeless(pollen_seed_bytes, patience);
    if (hopeless) co_return;
    drawn = co_await draw(pollen_seed_bytes, patience);
    if (!drawn) co_return co_await refuse_full(pollen_seed_bytes, patience);
    std::copy_n(drawn->bytes.view().begin(), pollen_seed_bytes, seed.data());
  } else {
    const bool refused = co_await refuse_fast(pollen_seed_bytes);
    if (refused) co_return;
  }
  if (!drawn &&
      !worker_.services_.drbg.generate(worker_.slot_, seed.view(), worker_.services_.clock.now())) {
    ++worker_.counters_.unavailable;
    co_return co_await refuse_unseeded();
  }
  const auto lease = worker_.pool_.lease();
  const MutableBytes block = lease.view();
  std::size_t filled =
      write_header(block, 200, "text/plain; charset=utf-8", wire::pollen::reply_bytes);
  wire::pollen::write_reply(
      request.challenge,
      std::span<const std::uint8_t, pollen_seed_bytes>(seed.data(), pollen_seed_bytes),
      block.subspan(filled, wire::pollen::reply_bytes));
  filled += wire::pollen::reply_bytes;
  const bool written = co_await write(block.first(filled));
  wipe(block.first(filled));
  if (!written) co_return;
  proof_.clear();
  ++worker_.counters_.deliveries;
  if (drawn) {
    drawn->withdrawal.delivered(pollen_seed_bytes);
    count_full(pollen_seed_bytes);
  } else {
    count_drbg(pollen_seed_bytes);
  }
}

// Chunked, until the client goes, is revoked, or the node stops.
asio::awaitable<void> HttpConnection::send_stream(const wire::StreamRequest& request) {
  constexpr std::size_t framing = 16;  // "4000\r\n" before, "\r\n" after, and some
  constexpr std::uint64_t slices_a_second = 4;
  const bool drbg = request.grade == Grade::drbg;
  if (drbg) {
    const bool refused = co_await refuse_fast(0);
    if (refused) co_return;
    if (!worker_.services_.drbg.ready()) {
      ++worker_.counters_.unavailable;
      co_return co_await refuse_unseeded();
    }
  }
  const auto lease = worker_.pool_.lease();
  const MutableBytes block = lease.view();
  auto path = worker_.services_.provenance.all();
  const std::size_t head =
      write_header(block, 200, "application/octet-stream", std::nullopt, path_line(*path));
  std::string extension = chunk_extension(*path);
  const bool begun = co_await write(block.first(head));
  if (!begun) co_return;
  proof_.clear();
  ++worker_.counters_.deliveries;

  TimePoint due = worker_.services_.clock.now();
  std::size_t since_turn = 0;
  while (!closing_ && !draining_) {
    std::optional<Drawn> drawn;
    // At grade full small pieces, as many readers take turns.
    std::size_t slice = drbg ? block_bytes - framing : worker_.services_.dispenser.slice();
    if (request.rate > 0) {
      slice = static_cast<std::size_t>(
          std::clamp<std::uint64_t>(request.rate / slices_a_second, 1, slice));
    }
    if (!drbg) {
      drawn = co_await draw(slice, 1h);
      if (!drawn) continue;
    }
    if (auto now = worker_.services_.provenance.all(); now != path) {
      if (*now != *path) extension = chunk_extension(*now);
      path = std::move(now);
    }
    slice = std::min(slice, block_bytes - framing - extension.size());
    std::size_t filled = static_cast<std::size_t>(
        fmt::format_to(reinterpret_cast<char*>(block.data()), "{:x}{}\r\n", slice, extension) -
        reinterpret_cast<char*>(block.data()));
    extension.clear();
    const MutableBytes target = block.subspan(filled, slice);
    if (drawn) {
      std::copy_n(drawn->bytes.view().begin(), slice, target.begin());
    } else {
      worker_.services_.drbg.generate(worker_.slot_, target, worker_.services_.clock.now());
    }
    filled += slice;
    block[filled++] = '\r';
    block[filled++] = '\n';
    const bool written = co_await write(block.first(filled));
    wipe(block.first(filled));
    if (!written) {
      if (drawn) worker_.counters_.undelivered += slice;
      co_return;
    }
    if (drawn) {
      drawn->withdrawal.delivered(slice);
      count_full(slice);
    } else {
      count_drbg(slice);
    }
    if (request.rate > 0) {
      due += std::chrono::nanoseconds(1000000000ULL * slice / request.rate);
      co_await pause(due);
    }
    since_turn += slice;
    if (since_turn >= bytes_between_turns) {
      const Duration owed = drbg ? charge(since_turn) : Duration::zero();
      since_turn = 0;
      if (owed > Duration::zero()) co_await pause(worker_.services_.clock.now() + owed);
      co_await asio::post(worker_.context_, asio::use_awaitable);
    }
  }
  keep_alive_ = false;
  if (!closing_) co_await write(as_bytes("0\r\n\r\n"));
}

}  // namespace qanat::outlets
