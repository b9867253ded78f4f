// The HTTP outlet's reading of requests, in any cut, and what they ask for.
#include "wire/http_request.h"
#include "fuzz.h"
#include "wire/http_api.h"

using qanat::wire::HttpRequestReader;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  (void)text_of(data, size);
  const std::size_t step = 1 + data[0] % 64;
  HttpRequestReader reader(8192, 8192);
  for (std::size_t at = 1; at < size; at += step) {
    auto state = reader.feed({data + at, std::min(step, size - at)});
    while (state == HttpRequestReader::State::complete) {
      must(reader.body().size() <= 8192);
      must(reader.fields().authorization.size() <= 8192);
      (void)reader.keep_alive();
      (void)qanat::wire::parse_api_request(reader.method(), reader.target(), reader.body(), {});
      state = reader.next();
    }
    if (state != HttpRequestReader::State::refused) continue;
    must(reader.refusal().status >= 400 && reader.refusal().status < 500);
    return 0;
  }
  return 0;
}
