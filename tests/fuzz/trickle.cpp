// Both sides: a server that gets anything, and a client that does.
#include "wire/trickle_question.h"

#include "fuzz.h"

using namespace qanat;
using namespace qanat::wire::trickle;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::array<std::uint8_t, key_bytes> key{};
  const Bytes datagram = as_bytes(text_of(data, size));
  if (const auto request = decode_request(datagram)) {
    must(reply_bytes(request->bytes, request->cookies) <= size);
    must(refusal_bytes <= size);
    // What it says is what its maker would have written, but for the MAC.
    auto again = encode_request(*request, key);
    must(again.size() <= size);
    std::copy_n(data + header_bytes + id_bytes, mac_bytes, again.begin() + header_bytes + id_bytes);
    must(std::equal(again.begin(), again.end(), data));
    CookieContent content;
    must(!open_cookie(key, request->cookie, content));
    (void)authentic(datagram, key);
  }
  Id id{};
  if (size >= header_bytes + id_bytes) std::copy_n(data + header_bytes, id_bytes, id.begin());
  Answer answer;
  (void)decode_answer(datagram, id, key, answer);
  // Whatever comes while a question waits is no answer to it.
  static Question waiting(
      {64, Grade::drbg, 2},
      [] {
        return KeyedCookie{{}, SecretBytes(keys_bytes)};
      },
      [](MutableBytes out) { wipe(out); });
  (void)waiting.due(TimePoint());
  must(!waiting.take(datagram, answer));
  // A reply that is sealed right, whatever is in it, is total to read.
  if (size >= refusal_bytes && size <= most_datagram) {
    std::vector<std::uint8_t> sealed(data, data + size);
    const Nonce nonce{};
    Request question;
    question.id = id;
    encode_refusal(question, static_cast<Reason>(data[5]), 1, key, nonce, sealed);
    (void)decode_answer(Bytes(sealed).first(refusal_bytes), id, key, answer);
  }
  return 0;
}
