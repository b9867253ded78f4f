#include "wire/observer_token.h"
#include "wire/http_api.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = text_of(data, size);
  if (const auto token = qanat::wire::decode_observer_token(text)) {
    must(!token->name.empty());
    must(qanat::wire::encode(*token).size() == text.size());
  }
  const auto shown = qanat::wire::decode_observer_authorization(text);
  must(!shown || qanat::wire::is_observer_authorization(text));
  (void)qanat::wire::prefers_html(text);
  (void)qanat::wire::takes_gzip(text);
  return 0;
}
