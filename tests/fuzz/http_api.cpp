#include "wire/http_api.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = text_of(data, size);
  const qanat::wire::ApiLimits limits;
  for (const char* method : {"GET", "HEAD", "POST", "PUT"}) {
    const auto request = qanat::wire::parse_api_request(method, text, text, limits);
    if (!request) {
      must(request.error().status >= 400 && request.error().status < 500);
      const std::string json =
          qanat::wire::refusal_json(request.error().error, request.error().hint);
      must(json.size() < 400);
      for (const char c : json) must(c == '\n' || (c >= 0x20 && c < 0x7f));
    } else if (const auto* random = std::get_if<qanat::wire::RandomRequest>(&*request)) {
      must(random->bytes > 0 && random->bytes <= limits.drbg_bytes);
    }
  }
  return 0;
}
