// A file of cookies that somebody else wrote, or a disk that lies.
#include "peers/cookie_jar.h"

#include <vector>

#include "fuzz.h"

using qanat::peers::CookieJar;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr qanat::peers::UnixTime now = 1700000000;
  const qanat::Bytes image = qanat::as_bytes(text_of(data, size));
  static CookieJar jar("");
  (void)jar.load(image);
  (void)jar.server();
  std::size_t taken = 0;
  const std::size_t count = jar.count(now);
  while (jar.take(now)) ++taken;
  must(taken == count && taken <= CookieJar::places);
  const std::vector<std::uint8_t> written(jar.image().begin(), jar.image().end());
  must(jar.load(written));
  must(jar.count(now) == 0);
  return 0;
}
