// The part of HttpConnection that delivers random bytes.
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "crypto/hash.h"
#include "outlets/http_connection.h"

namespace qanat::outlets {

namespace asio = boost::asio;
using wire::Format;
using wire::Grade;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view json_head = R"({"bytes": )";
constexpr std::size_t pollen_seed_bytes = 64;
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

asio::awaitable<void> HttpConnection::refuse_full(Duration waited) {
  constexpr unsigned retry_after = 5;
  const std::string hint = fmt::format(
      "waited {:.1f} s; ask for fewer, wait longer (wait=), or take grade=drbg", seconds(waited));
  co_await refuse(503, "the reserve has no full-entropy bytes for you yet", hint, retry_after);
}

asio::awaitable<void> HttpConnection::refuse_unseeded() {
  co_await refuse(503, "the DRBG has no seed yet", "the sources are still in their start-up tests",
                  1);
}

share::FlowId HttpConnection::flow() const {
  return client_ ? client_->flow : worker_.settings_.anonymous_flow;
}
double HttpConnection::weight() const { return client_ ? client_->terms.weight : 1; }

asio::awaitable<std::optional<HttpConnection::Drawn>> HttpConnection::draw(std::size_t bytes,
                                                                           Duration wait) {
  using namespace asio::experimental::awaitable_operators;
  const auto timer = std::make_shared<asio::steady_timer>(worker_.context_, wait);
  // Called by a source's thread: the timer is touched on ours only.
  share::Ticket place = worker_.services_.dispenser.request(flow(), weight(), bytes, [timer] {
    asio::post(timer->get_executor(), [timer] { timer->expires_at(TimePoint::min()); });
  });
  deadline_ = TimePoint::max();  // the wait has its own
  waiting_ = timer.get();
  bool watching = true;
  while (!place.ready() && !closing_ && timer->expiry() > worker_.services_.clock.now()) {
    boost::system::error_code timer_problem;
    boost::system::error_code socket_problem;
    if (watching) {
      auto timed = timer->async_wait(asio::redirect_error(asio::use_awaitable, timer_problem));
      auto readable = socket_.async_wait(Socket::wait_read,
                                         asio::redirect_error(asio::use_awaitable, socket_problem));
      auto either = std::move(timed) || std::move(readable);
      co_await std::move(either);
      if (peer_has_gone()) closing_ = true;
      // Readable: the next request is there already. Only the timer can wake us now.
      watching = timer->expiry() > worker_.services_.clock.now() && socket_problem;
    } else {
      co_await timer->async_wait(asio::redirect_error(asio::use_awaitable, timer_problem));
    }
  }
  waiting_ = nullptr;
  arm(worker_.settings_.limits.write);
  if (!place.ready() || closing_) co_return std::nullopt;
  Drawn drawn{SecretBytes(bytes), {}};
  drawn.withdrawal = place.collect(drawn.bytes.view());
  co_return drawn;
}

asio::awaitable<void> HttpConnection::send_random(const wire::RandomRequest& request) {
  if (request.grade == Grade::drbg) co_return co_await send_random_body(request, {});
  auto drawn = co_await draw(request.bytes, request.wait);
  if (!drawn) {
    if (closing_) {
      keep_alive_ = false;
      co_return;
    }
    ++worker_.counters_.unavailable;
    if (client_) ++client_->refused;
    co_return co_await refuse_full(request.wait);
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
  std::size_t filled = write_header(block, 200, content_type(request.format), length);
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
      since_turn = 0;
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
    drawn = co_await draw(pollen_seed_bytes, patience);
    if (!drawn) {
      ++worker_.counters_.unavailable;
      co_return co_await refuse_full(patience);
    }
    std::copy_n(drawn->bytes.view().begin(), pollen_seed_bytes, seed.data());
  } else if (!worker_.services_.drbg.generate(worker_.slot_, seed.view(),
                                              worker_.services_.clock.now())) {
    ++worker_.counters_.unavailable;
    co_return co_await refuse_unseeded();
  }
  const auto lease = worker_.pool_.lease();
  const MutableBytes block = lease.view();
  const auto digest = crypto::sha512({as_bytes(request.challenge)});
  const std::size_t line = 2 * pollen_seed_bytes;
  std::size_t filled = write_header(block, 200, "text/plain; charset=utf-8", 2 * (line + 1));
  for (const Bytes part : {Bytes(digest), Bytes(seed.view())}) {
    write_hex(part, {reinterpret_cast<char*>(block.data()) + filled, line});
    filled += line;
    block[filled++] = '\n';
  }
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
  constexpr std::size_t framing = 16;      // "4000\r\n" before, "\r\n" after, and some
  constexpr std::size_t full_slice = 256;  // small: slices of many readers take turns
  constexpr std::uint64_t slices_a_second = 4;
  std::size_t slice = request.grade == Grade::full ? full_slice : block_bytes - framing;
  if (request.rate > 0) {
    slice = static_cast<std::size_t>(
        std::clamp<std::uint64_t>(request.rate / slices_a_second, 1, slice));
  }
  if (request.grade == Grade::drbg && !worker_.services_.drbg.ready()) {
    ++worker_.counters_.unavailable;
    co_return co_await refuse_unseeded();
  }
  const auto lease = worker_.pool_.lease();
  const MutableBytes block = lease.view();
  const std::size_t head = write_header(block, 200, "application/octet-stream", std::nullopt);
  const bool begun = co_await write(block.first(head));
  if (!begun) co_return;
  proof_.clear();
  ++worker_.counters_.deliveries;

  TimePoint due = worker_.services_.clock.now();
  std::size_t since_turn = 0;
  while (!closing_ && !draining_) {
    std::optional<Drawn> drawn;
    std::size_t filled = static_cast<std::size_t>(
        fmt::format_to(reinterpret_cast<char*>(block.data()), "{:x}\r\n", slice) -
        reinterpret_cast<char*>(block.data()));
    const MutableBytes target = block.subspan(filled, slice);
    if (request.grade == Grade::full) {
      drawn = co_await draw(slice, 1h);
      if (!drawn) continue;
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
      asio::steady_timer pacer(worker_.context_, due);
      waiting_ = &pacer;
      deadline_ = TimePoint::max();
      boost::system::error_code ignored;
      co_await pacer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
      waiting_ = nullptr;
      if (peer_has_gone()) closing_ = true;
    } else if ((since_turn += slice) >= bytes_between_turns) {
      since_turn = 0;
      co_await asio::post(worker_.context_, asio::use_awaitable);
    }
  }
  keep_alive_ = false;
  if (!closing_) co_await write(as_bytes("0\r\n\r\n"));
}

}  // namespace qanat::outlets
