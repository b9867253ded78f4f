#include "spec/spec.h"
#include "spec/address.h"

#include "fuzz.h"
#include "outlets/registry.h"
#include "sources/registry.h"
#include "sources/video/stream_url.h"

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
  // What may be shown has nothing left that may not.
  const std::string shown = qanat::sources::video::without_secrets(text);
  must(qanat::sources::video::without_secrets(shown) == shown);
  if (const auto url = qanat::sources::video::parse_stream_url(text)) {
    (void)qanat::sources::video::cleaned_message(*url, text);
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
