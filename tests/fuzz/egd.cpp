#include "wire/egd.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace egd = qanat::wire::egd;
  qanat::Bytes in = qanat::as_bytes(text_of(data, size));
  for (;;) {
    egd::Command command;
    std::size_t used = 0;
    const auto status = decode(in, command, used);
    if (status == qanat::wire::Status::incomplete) must(in.size() < egd::most_command);
    if (status != qanat::wire::Status::complete) return 0;
    must(used > 0 && used <= in.size() && used <= egd::most_command);
    must(command.bytes <= egd::most_bytes && command.data.size() <= egd::most_bytes);
    in = in.subspan(used);
  }
}
