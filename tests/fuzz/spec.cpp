#include "wire/spec.h"

#include "fuzz.h"
#include "outlets/registry.h"
#include "sources/registry.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(text_of(data, size));
  (void)qanat::wire::parse_spec(text);
  (void)qanat::wire::percent_decode(text, true);
  if (const auto address = qanat::wire::parse_address(text)) {
    const auto again = qanat::wire::parse_address(address->text());
    must(again && *again == *address);
  }
  if (const auto address = qanat::wire::parse_vsock_address(text)) {
    constexpr std::string_view type = "vsock:";
    const auto again = qanat::wire::parse_vsock_address(address->text().substr(type.size()));
    must(again && *again == *address);
  }
  try {
    (void)qanat::sources::describe_source(text);
  } catch (const qanat::Failure&) {
  }
  try {
    (void)qanat::outlets::describe_outlet(text);
  } catch (const qanat::Failure&) {
  }
  return 0;
}
