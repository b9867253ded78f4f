#include "sources/entropykey/link.h"

#include <algorithm>

#include "crypto/aead.h"

namespace qanat::sources {

namespace {

constexpr unsigned entropykey_baud = 115200;

Duration left_until(TimePoint by) { return std::max(by - Clock().now(), Duration::zero()); }

}  // namespace

Result<void> EntropyKeyLink::open() { return line_.open(path_, entropykey_baud); }

Result<void> EntropyKeyLink::send(std::string_view command, const Waker& waker, TimePoint by) {
  while (!command.empty()) {
    const auto sent = line_.write(command);
    if (!sent) return tl::unexpected(sent.error());
    command.remove_prefix(*sent);
    if (command.empty() || *sent > 0) continue;
    const Wake wake = wait_for(line_.fd(), POLLOUT, waker, left_until(by));
    if (wake == Wake::woken) return interrupted();
    if (wake == Wake::timeout) return error(path_ + " takes no commands: does the device hang?");
  }
  return {};
}

Result<std::optional<wire::entropykey::Event>> EntropyKeyLink::next(const Waker& waker,
                                                                    TimePoint by) {
  while (true) {
    if (auto event = session_.next()) return event;
    // Looked at even where bytes never end: the rudest device sends no frame and is never silent.
    if (Clock().now() >= by) return std::nullopt;
    const Wake wake = wait_for(line_.fd(), POLLIN, waker, left_until(by));
    if (wake == Wake::woken) return interrupted();
    if (wake == Wake::timeout) return std::nullopt;
    std::array<std::uint8_t, 4 * wire::entropykey::frame_bytes> arrived{};
    const auto count = line_.read(arrived);
    if (!count) return tl::unexpected(count.error());
    session_.feed(Bytes(arrived).first(*count));
  }
}

std::array<std::uint8_t, wire::entropykey::nonce_bytes> fresh_nonce() {
  std::array<std::uint8_t, wire::entropykey::nonce_bytes> nonce{};
  crypto::random_bytes(nonce);
  return nonce;
}

}  // namespace qanat::sources
