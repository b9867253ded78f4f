#include "wire/trickle_session.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto session = qanat::wire::decode_trickle_session(text_of(data, size));
  if (!session) return 0;
  must(session->port != 0 && session->lifetime != 0);
  must(!session->cookies.empty() && session->cookies.size() <= 8);
  // What it means comes back as it was.
  const auto again = qanat::wire::decode_trickle_session(encode(*session));
  must(again && again->port == session->port && again->lifetime == session->lifetime);
  must(again->nonce == session->nonce && again->cookies == session->cookies);
  return 0;
}
