// The part of HttpConnection that delivers random bytes.
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <utility>

#include "base/quantity.h"
#include "outlets/http/connection.h"
#include "serve/limits.h"
#include "serve/rates.h"
#include "wire/path.h"
#include "wire/pollen.h"

namespace qanat::outlets {

namespace asio = boost::asio;
using spec::Grade;
using wire::Format;
using namespace std::chrono_literals;

namespace {

// For a Retry-After header: no less than the 1 that HTTP can say.
unsigned retry_after(Duration wait) { return std::max(1U, serve::retry_seconds(wait)); }

constexpr std::size_t pollen_seed_bytes = wire::pollen::seed_bytes;
// Raw bytes of one encoded piece: a multiple of 3, so that base64 pieces join without padding, and
// at two characters a byte (hex) within one block with its header.
constexpr std::size_t encoded_piece = 7680;
// A chunk of a stream, with its size before and its end after it in one block.
constexpr std::size_t stream_slice = HttpConnection::block_bytes - 16;
static_assert(encoded_piece % 3 == 0 && 2 * encoded_piece < HttpConnection::block_bytes);

std::string_view content_type(Format format) {
  return format == Format::raw    ? "application/octet-stream"
         : format == Format::json ? "application/json"
                                  : "text/plain";
}

std::string chunk_extension(const entropy::Provenance::Path& ids) {
  return fmt::format(";path=\"{}\"", wire::encode(ids));
}

void encode_piece(Format format, Bytes raw, BlockWriter& out) {
  const std::size_t characters = format == Format::hex ? 2 * raw.size() : base64_size(raw.size());
  const MutableBytes place = out.claim(characters);
  const std::span<char> text(reinterpret_cast<char*>(place.data()), place.size());
  if (format == Format::hex) {
    write_hex(raw, text);
  } else {
    write_base64(raw, text);
  }
}

}  // namespace

// Refuses at once what the line in front of it makes impossible in time; whether it did.
asio::awaitable<bool> HttpConnection::refuse_hopeless(std::size_t bytes, Duration patience) {
  const auto estimate =
      worker_.services_.dispenser.estimate(flow(), bytes, worker_.services_.clock.now());
  if (!estimate || estimate->wait <= patience) co_return false;
  if (client_) ++client_->refused;
  const bool lost = estimate->wait == Duration::max();
  const unsigned later =
      retry_after(lost ? serve::worth_a_try(estimate) : estimate->wait - patience);
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
  const std::string shortage = worker_.http_.shortage();
  const std::string hint = fmt::format(
      "waited {:.1f} s; {}", seconds(waited),
      shortage.empty() ? "ask for fewer, wait longer (wait=), or take grade=drbg" : shortage);
  co_await refuse(503, "the reserve has no full-entropy bytes for you yet", hint,
                  retry_after(serve::worth_a_try(estimate)));
}

// Refuses a request of grade drbg whose client or block has used up its tokens; whether it did.
asio::awaitable<bool> HttpConnection::refuse_fast(std::uint64_t bytes) {
  const serve::Limits& limits = worker_.settings_.limits;
  const std::uint64_t cost = limits.drbg_request + std::min<std::uint64_t>(bytes, bytes_a_charge);
  const Duration wait = serve::take_drbg(worker_.services_, limits, peer_, client_.get(), cost,
                                         worker_.services_.clock.now());
  if (wait == Duration::zero()) co_return false;
  ++worker_.counters_.over_share;
  if (client_) ++client_->refused;
  co_await refuse(429, "over your rate of grade drbg",
                  "slow down; docs/configuration.md: [drbg] client-rate, block-rate",
                  retry_after(wait));
  co_return true;
}

asio::awaitable<void> HttpConnection::refuse_unseeded() {
  ++worker_.counters_.unavailable;
  const std::string shortage = worker_.http_.shortage();
  const std::string hint = shortage.empty() ? "it is on its way" : shortage;
  co_await refuse(503, "the DRBG has no seed yet", hint, 1);
}

asio::awaitable<void> HttpConnection::send_random(const wire::RandomRequest& request) {
  const bool drbg = request.grade == Grade::drbg;
  bool refused = false;
  if (drbg) {
    refused = co_await refuse_fast(head_only_ ? 0 : request.bytes);
  } else {
    refused = co_await refuse_hopeless(request.bytes, request.wait);
  }
  if (refused) co_return;
  if (head_only_) {
    if (drbg && !worker_.services_.drbg.ready()) co_return co_await refuse_unseeded();
    const std::string head = random_header(request);
    co_return co_await send_head(head);
  }
  if (drbg) co_return co_await send_random_body(request, {});
  auto drawn = co_await draw(request.bytes, request.wait);
  if (!drawn) {
    if (closing()) {
      keep_alive_ = false;
      co_return;
    }
    co_return co_await refuse_full(request.bytes, request.wait);
  }
  co_await send_random_body(request, drawn->bytes.view());
  if (!closing() && delivered_) arrived(drawn->delivery);
}

std::string HttpConnection::random_header(const wire::RandomRequest& request) const {
  return header(200, content_type(request.format), body_size(request),
                worker_.origin_lines(request.grade));
}

// `full` holds the bytes for grade full; for drbg they are made block by block.
asio::awaitable<void> HttpConnection::send_random_body(const wire::RandomRequest& request,
                                                       Bytes full) {
  const bool raw = request.format == Format::raw;
  const bool drbg = request.grade == Grade::drbg;
  delivered_ = false;
  const auto lease = worker_.pool_.lease();
  const auto raw_lease = raw ? SecretPool::Lease() : worker_.pool_.lease();
  BlockWriter out(lease.view());

  const std::string head = random_header(request) + body_head(request);
  // What fits needs no coroutine: each one costs a hundredth of a short answer.
  bool written = true;
  if (const Bytes rest = out.put(as_bytes(head)); !rest.empty()) written = co_await put(out, rest);
  std::uint64_t left = request.bytes;
  Uncharged uncharged;
  while (written && left > 0) {
    const std::size_t room = raw ? out.room() : std::min(encoded_piece, out.room() / 2 / 3 * 3);
    const std::size_t n = static_cast<std::size_t>(std::min<std::uint64_t>(left, room));
    const MutableBytes target = raw ? out.claim(n) : raw_lease.view().first(n);
    if (!drbg) {
      std::copy_n(full.end() - static_cast<std::ptrdiff_t>(left), n, target.begin());
    } else if (!worker_.services_.drbg.generate(worker_.slot_, target,
                                                worker_.services_.clock.now())) {
      // Before its first byte or never; the header has not gone out.
      out.clear();
      co_return co_await refuse_unseeded();
    }
    if (!raw) {
      encode_piece(request.format, target, out);
      wipe(target);
    }
    left -= n;
    if (left == 0) break;
    const std::size_t block = out.written().size();
    written = co_await flush(out);
    if (drbg) co_await pace(uncharged, block);
    if (closing()) co_return;
  }
  const Bytes tail = as_bytes(body_tail(request));
  if (written && !tail.empty()) written = co_await put(out, tail);
  if (written) written = co_await write(out.written());
  if (!written) co_return;
  proof_.clear();
  delivered_ = true;
  ++worker_.counters_.deliveries;
  if (drbg) count_drbg(request.bytes);
}

asio::awaitable<void> HttpConnection::send_pollen(const wire::PollenRequest& request) {
  WipedArray<pollen_seed_bytes> seed;
  std::optional<serve::Drawn> drawn;
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
    co_return co_await refuse_unseeded();
  }
  WipedArray<wire::pollen::reply_bytes> reply;
  wire::pollen::write_reply(
      request.challenge,
      std::span<const std::uint8_t, pollen_seed_bytes>(seed.data(), pollen_seed_bytes),
      reply.view());
  const std::string head = header(200, "text/plain; charset=utf-8", reply.size(),
                                  worker_.origin_lines(worker_.settings_.pollen_grade));
  const auto lease = worker_.pool_.lease();
  BlockWriter out(lease.view());
  bool written = co_await put(out, as_bytes(head));
  if (written) written = co_await put(out, reply.view());
  if (written) written = co_await flush(out);
  if (!written) co_return;
  proof_.clear();
  ++worker_.counters_.deliveries;
  if (drawn) {
    arrived(drawn->delivery);
  } else {
    count_drbg(pollen_seed_bytes);
  }
}

// Chunked, until the client goes, is revoked, or the node stops.
asio::awaitable<void> HttpConnection::send_stream(const wire::StreamRequest& request) {
  constexpr std::uint64_t slices_a_second = 4;
  if (!reader_.knows_chunks()) {
    co_return co_await refuse(505, "a stream is chunked, and HTTP/1.0 knows no chunks",
                              "ask with HTTP/1.1, or for /v1/random");
  }
  const bool drbg = request.grade == Grade::drbg;
  if (drbg) {
    const bool refused = co_await refuse_fast(0);
    if (refused) co_return;
    if (!worker_.services_.drbg.ready()) {
      co_return co_await refuse_unseeded();
    }
  }
  const std::string head =
      header(200, "application/octet-stream", std::nullopt, worker_.origin_lines(request.grade));
  if (head_only_) co_return co_await send_head(head);
  const auto lease = worker_.pool_.lease();
  BlockWriter out(lease.view());
  auto path = worker_.http_.provenance.all();
  std::string extension = chunk_extension(*path);
  bool written = co_await put(out, as_bytes(head));
  if (written) written = co_await flush(out);
  if (!written) co_return;
  proof_.clear();
  ++worker_.counters_.deliveries;

  TimePoint due = worker_.services_.clock.now();
  Uncharged uncharged;
  while (!ending()) {
    std::optional<serve::Drawn> drawn;
    // At grade full small pieces, as many readers take turns.
    std::size_t slice = drbg ? stream_slice : worker_.services_.dispenser.slice();
    if (request.rate > 0) {
      slice = static_cast<std::size_t>(
          std::clamp<std::uint64_t>(request.rate / slices_a_second, 1, slice));
    }
    if (!drbg) {
      drawn = co_await draw(slice, 1h);
      if (!drawn) continue;
    }
    if (auto now = worker_.http_.provenance.all(); now != path) {
      if (*now != *path) extension = chunk_extension(*now);
      path = std::move(now);
    }
    const std::string chunk = fmt::format("{:x}{}\r\n", slice, std::exchange(extension, {}));
    written = co_await put(out, as_bytes(chunk));
    for (std::size_t done = 0; written && done < slice;) {
      const MutableBytes piece = out.claim(slice - done);
      if (drawn) {
        std::copy_n(drawn->bytes.view().begin() + static_cast<std::ptrdiff_t>(done), piece.size(),
                    piece.begin());
      } else {
        worker_.services_.drbg.generate(worker_.slot_, piece, worker_.services_.clock.now());
      }
      done += piece.size();
      if (out.room() == 0) written = co_await flush(out);
    }
    if (written) written = co_await put(out, as_bytes("\r\n"));
    if (written) written = co_await flush(out);
    if (!written) co_return;
    if (drawn) {
      arrived(drawn->delivery);
    } else {
      count_drbg(slice);
    }
    if (request.rate > 0) {
      due += std::chrono::nanoseconds(1000000000ULL * slice / request.rate);
      co_await pause(due);
    }
    if (drbg) co_await pace(uncharged, slice);
  }
  keep_alive_ = false;
  if (!closing()) co_await write(as_bytes("0\r\n\r\n"));
}

}  // namespace qanat::outlets
