#include "wire/rngnet.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace rngnet = qanat::wire::rngnet;
  const auto recipients = rngnet::parse_recipients(text_of(data, size));
  if (!recipients) return 0;
  must(!recipients->empty() && recipients->size() <= rngnet::most_recipients);
  std::string again;
  for (const auto& each : *recipients) again += (again.empty() ? "" : ",") + each.text();
  const auto same = rngnet::parse_recipients(again);
  must(same && *same == *recipients);
  return 0;
}
