// The answer of a name server, which nobody vouches for.
#include "net/discover.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto records =
      qanat::net::srv_records(qanat::as_bytes(text_of(data, size)), "_qanat._tcp.example.org");
  if (!records) return 0;
  for (const auto& record : *records) {
    must(!record.target.host.empty() && record.target.host.size() <= 1024);
  }
  std::mt19937_64 random(size);
  must(qanat::net::order(*records, random).size() == records->size());
  return 0;
}
