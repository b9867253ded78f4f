#include "fuzz.h"
#include "support/entropykey_device.h"
#include "wire/entropykey_session.h"

// A device that says anything, within a session and before one. A byte of 0xff at the beginning:
// what follows is not in frames; otherwise each 52 bytes are signed as the device would.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace entropykey = qanat::wire::entropykey;
  std::string_view rest = text_of(data, size);
  if (rest.empty()) return 0;
  const auto mode = static_cast<std::uint8_t>(rest[0]);
  rest.remove_prefix(1);
  qanat::test::EntropyKeyDevice device;
  entropykey::Session session;
  session.reset();
  const auto drain = [&] {
    while (const auto event = session.next()) {
      for (const auto& [name, value] : event->information.readings) {
        must(!name.empty() && value >= 0 && value < 1e12);
      }
      if (event->information.failure) {
        must(!entropykey::describe_failure(*event->information.failure, {}).empty());
      }
    }
  };
  if (mode % 2 == 0) {
    session.feed(qanat::as_bytes(device.hello()));
    drain();
    const std::array<std::uint8_t, entropykey::nonce_bytes> nonce{};
    session.feed(qanat::as_bytes(device.answer_rekey(session.rekey(device.long_term_key, nonce))));
    drain();
  }
  std::string why;
  (void)entropykey::parse_master_key(qanat::as_bytes(rest), why);
  while (!rest.empty()) {
    const std::size_t n = std::min<std::size_t>(rest.size(), entropykey::content_bytes);
    const std::string piece(rest.substr(0, n));
    rest.remove_prefix(n);
    session.feed(qanat::as_bytes(mode == 0xff ? piece : device.frame(piece)));
    drain();
  }
  return 0;
}
