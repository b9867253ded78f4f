#include "wire/entropykey_session.h"

#include <algorithm>

namespace qanat::wire::entropykey {
namespace {

void make_zero(SecretBytes& bytes) { wipe(bytes.view()); }

std::string command_with(char letter, Bytes nonce) { return letter + to_base64(nonce) + '.'; }

}  // namespace

Session::Session()
    : session_key_(key_bytes), entropy_(data_bytes), new_key_(key_bytes), asked_key_(key_bytes) {}

void Session::forget_session() {
  keyed_ = false;
  asked_ = 0;
  make_zero(session_key_);
}

std::string_view Session::reset() {
  frames_.forget();
  silent_ = true;
  forget_session();
  return reset_command;
}

void Session::expect_key(Bytes key, Bytes nonce) {
  std::copy_n(key.begin(), key_bytes, asked_key_.view().begin());
  asked_nonce_ = as_text(nonce);
}

std::string Session::rekey(Bytes long_term_key, Bytes nonce) {
  expect_key(long_term_key, nonce);
  asked_ = 'K';
  return command_with('K', nonce);
}

std::string Session::unlock(Bytes master_key, Bytes nonce) const {
  const ShortMac mac = short_mac(serial_, master_key, Purpose::nonce_mac, nonce);
  return "M" + std::string(mac.data(), mac.size());
}

std::string Session::set_long_term_key(Bytes master_key, Bytes nonce) {
  expect_key(master_key, nonce);
  asked_ = 'L';
  return command_with('L', nonce);
}

std::optional<Event> Session::next() {
  while (const auto whole = frames_.next()) {
    if (auto event = take(Frame(*whole))) return event;
  }
  return std::nullopt;
}

std::optional<Event> Session::take(const Frame& frame) {
  // Its MAC is under the key of zeros, whatever was before.
  if (frame.type() == 'S' && frame.binary()) {
    auto event = take_serial(frame);
    if (event) return event;
  }
  if (silent_) return std::nullopt;
  const ShortMac mac =
      short_mac(serial_, session_key_.view(), Purpose::frame_mac, as_bytes(frame.content));
  if (!equal_constant_time(as_bytes({mac.data(), mac.size()}), as_bytes(frame.mac))) {
    return Event{What::wrong};
  }
  switch (frame.type()) {
    case 'E':
      return take_entropy(frame);
    case 'K':
      if (asked_ != 'K' || !derive(frame, Purpose::session_key, session_key_)) break;
      keyed_ = true;
      last_number_ = -1;
      return Event{What::keyed};
    case 'L':
      if (asked_ != 'L' || !derive(frame, Purpose::long_term_key, new_key_)) break;
      return Event{What::long_term_keyed};
    case 'I':
      return Event{What::information, parse_information(frame.payload())};
    case 'k':
      return Event{What::wants_key};
    case 'B':
      return Event{What::bad_generators};
    case 'M':
      return Event{What::unlocked};
    case 'l':
      return Event{What::long_term_refused};
    case 'W':
      return Event{What::unknown_input};
    default:
      return std::nullopt;  // of a later firmware
  }
  return Event{What::wrong};
}

std::optional<Event> Session::take_serial(const Frame& frame) {
  SerialNumber serial{};
  const auto version = frame.number();
  if (!version || !frame.data(serial)) return std::nullopt;
  const std::array<std::uint8_t, key_bytes> zeros{};
  const ShortMac mac = short_mac(serial, zeros, Purpose::frame_mac, as_bytes(frame.content));
  if (!equal_constant_time(as_bytes({mac.data(), mac.size()}), as_bytes(frame.mac))) {
    return std::nullopt;
  }
  serial_ = serial;
  version_ = *version;
  silent_ = false;
  forget_session();
  return Event{What::serial};
}

Event Session::take_entropy(const Frame& frame) {
  const auto number = frame.number();
  // Before a session everybody knows the key, and could have sent this.
  if (!keyed_ || !frame.binary() || !number || !frame.data(entropy_.view())) return {What::wrong};
  if (*number <= last_number_) return {What::replayed};
  // Whether a session begins with 0 or with 1 is not written anywhere.
  const int expected = last_number_ < 0 ? std::min<int>(*number, 1) : last_number_ + 1;
  skipped_ += static_cast<std::uint64_t>(*number - expected);
  last_number_ = *number;
  WipedArray<data_bytes> pad;
  hash(serial_, session_key_.view(), Purpose::entropy_pad, {as_bytes(frame.number_text())},
       std::span<std::uint8_t, data_bytes>(pad.data(), data_bytes));
  const MutableBytes data = entropy_.view();
  for (std::size_t i = 0; i < data_bytes; ++i) data[i] ^= pad.data()[i];
  return {What::entropy};
}

bool Session::derive(const Frame& frame, Purpose purpose, SecretBytes& into) {
  WipedArray<data_bytes> theirs;
  if (!frame.binary() || frame.number() != asked_nonce_.size() || !frame.data(theirs.view())) {
    return false;
  }
  asked_ = 0;
  WipedArray<key_bytes> made;
  hash(serial_, asked_key_.view(), purpose, {theirs.view(), as_bytes(asked_nonce_)},
       std::span<std::uint8_t, key_bytes>(made.data(), key_bytes));
  std::copy_n(made.view().begin(), key_bytes, into.view().begin());
  make_zero(asked_key_);
  return true;
}

}  // namespace qanat::wire::entropykey
