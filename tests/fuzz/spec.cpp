#include "spec/spec.h"
#include "spec/address.h"

#include "fuzz.h"
#include "outlets/registry.h"
#include "sources/registry.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(text_of(data, size));
  (void)qanat::spec::parse_spec(text);
  (void)qanat::spec::percent_decode(text, true);
  if (const auto address = qanat::spec::parse_address(text)) {
    const auto again = qanat::spec::parse_address(address->text());
    must(again && *again == *address);
  }
  if (const auto address = qanat::spec::parse_vsock_address(text)) {
    constexpr std::string_view type = "vsock:";
    const auto again = qanat::spec::parse_vsock_address(address->text().substr(type.size()));
    must(again && *again == *address);
  }
  try {
    (void)qanat::sources::describe_source(text);
  } catch (const qanat::Failure&) {
  }
  try {
    (void)qanat::outlets::plan_outlet(text);
  } catch (const qanat::Failure&) {
  }
  return 0;
}
