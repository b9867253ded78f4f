#include "wire/vmport.h"

#include <algorithm>

#include "fuzz.h"

// The first byte says which side reads, and by how much at a time.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace vmport = qanat::wire::vmport;
  const qanat::Bytes all = qanat::as_bytes(text_of(data, size));
  if (all.empty()) return 0;
  const bool guest = all[0] % 2 == 0;
  const std::size_t step = 1 + all[0] / 2;
  vmport::FrameReader reader(guest ? vmport::host_frame_bytes : vmport::guest_frame_bytes);
  qanat::Bytes in = all.subspan(1);
  std::uint64_t framed = 0;
  while (!in.empty()) {
    must(!reader.room().empty());
    const std::size_t n = std::min({in.size(), step, reader.room().size()});
    std::copy_n(in.begin(), n, reader.room().begin());
    reader.received(n);
    in = in.subspan(n);
    for (qanat::Bytes frame = reader.next(); !frame.empty(); frame = reader.next()) {
      framed += frame.size();
      if (guest) {
        const auto decoded = vmport::decode_host(frame);
        must(!decoded || decoded->seed.size() <= vmport::most_seed);
      } else {
        const auto decoded = vmport::decode_guest(frame);
        must(!decoded || (decoded->bytes > 0 && decoded->bytes <= vmport::most_seed));
      }
    }
  }
  must(framed + reader.skipped() <= size - 1);
  return 0;
}
