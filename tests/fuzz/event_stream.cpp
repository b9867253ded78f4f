#include "wire/event_stream.h"

#include "fuzz.h"

// The first byte says how the rest is cut. Whatever comes: an event has data, and no line has an
// end in it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  qanat::wire::EventStreamReader reader([](const qanat::wire::StreamedEvent& event) {
    must(!event.type.empty() && event.type.find_first_of("\r\n") == std::string::npos);
    must(event.id.find_first_of("\r\n") == std::string::npos);
    must(event.data.size() <= qanat::wire::EventStreamReader::most_bytes);
  });
  const std::size_t piece = 1 + data[0] % 64;
  qanat::Bytes rest(data + 1, size - 1);
  while (!rest.empty()) {
    const std::size_t n = std::min(piece, rest.size());
    reader.feed(rest.first(n));
    rest = rest.subspan(n);
  }
  return 0;
}
