#include "wire/netrng.h"

#include "fuzz.h"

// The first byte says which side speaks.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace netrng = qanat::wire::netrng;
  const qanat::Bytes all = qanat::as_bytes(text_of(data, size));
  if (all.empty()) return 0;
  const bool client = all[0] % 2 == 0;
  const auto side = client ? netrng::Side::client : netrng::Side::server;
  const std::size_t most = client ? netrng::most_request : netrng::most_reply;
  qanat::Bytes in = all.subspan(1);
  for (;;) {
    netrng::Message message;
    std::size_t used = 0;
    const auto status = decode(side, in, most, message, used);
    must(status != qanat::wire::Status::incomplete || in.size() < most);
    if (status != qanat::wire::Status::complete) return 0;
    must(used > 0 && used <= in.size() && used <= most);
    must(message.sample.size() <= netrng::most_sample);
    must(message.sample.empty() ||
         (message.sample.data() >= in.data() &&
          message.sample.data() + message.sample.size() <= in.data() + used));
    in = in.subspan(used);
  }
}
