#include <gtest/gtest.h>

#include "spec/spec.h"

#include "spec/type_table.h"

namespace qanat::spec {
namespace {

TEST(Spec, NamesOfTheDesign) {
  const auto device = parse_spec("device:/dev/ttyUSB0?baud=115200&h=6.5");
  ASSERT_TRUE(device);
  EXPECT_EQ(device->type, "device");
  EXPECT_EQ(device->target, "/dev/ttyUSB0");
  EXPECT_EQ(device->option("baud"), "115200");
  EXPECT_EQ(parse_spec("hwrng")->target, "");
  EXPECT_EQ(parse_spec("https://0.0.0.0:7749?access=open")->target, "//0.0.0.0:7749");
  EXPECT_EQ(parse_spec("exec:cat /dev/urandom | grep -v '?'?h=2")->target,
            "cat /dev/urandom | grep -v '?'");
  EXPECT_EQ(parse_spec("exec:ls ?.txt")->target, "ls ?.txt");
  EXPECT_EQ(parse_spec("file:/a?x=%2fb%20c")->option("x"), "/b c");
  for (const char* bad : {"", ":", "?a=b", "HWRNG", "a b:c", "://x"})
    EXPECT_FALSE(parse_spec(bad)) << bad;
}

TEST(Spec, OptionsMayBeWrittenWithEitherMark) {
  for (const char* text : {"pkcs11:token=t?module-path=/m", "pkcs11:token=t?module_path=/m"}) {
    const auto spec = parse_spec(text);
    ASSERT_TRUE(spec);
    EXPECT_EQ(spec->option("module-path"), "/m");
    EXPECT_NO_THROW(check_options(*spec, {"module-path"}));
  }
  const auto twice = parse_spec("pkcs11:token=t?module_path=/m&module-path=/n");
  ASSERT_TRUE(twice);
  EXPECT_THROW(check_options(*twice, {"module-path"}), Failure);
  EXPECT_EQ(parse_spec("pkcs11:t?pin_value=1234")->text.find("1234"), std::string::npos);
}

TEST(Spec, ShowsNoPin) {
  const auto token = parse_spec("pkcs11:token=a?pin-value=4711&h=4");
  EXPECT_EQ(token->text, "pkcs11:token=a?pin-value=...&h=4");
  EXPECT_EQ(token->option("pin-value"), "4711");
  EXPECT_EQ(parse_spec("pkcs11:?h=4&pin-value=4711")->text, "pkcs11:?h=4&pin-value=...");
  // As it is mistyped, too; a file's name is no secret, nor is the pin of a server's public key.
  EXPECT_EQ(parse_spec("pkcs11:token=a&pin-value=4711;h=4")->text,
            "pkcs11:token=a&pin-value=...;h=4");
  EXPECT_EQ(parse_spec("pkcs11:pin=4711?pin-vlaue=4711")->text, "pkcs11:pin=...?pin-vlaue=...");
  EXPECT_EQ(parse_spec("pkcs11:a?pin-source=file:/p")->text, "pkcs11:a?pin-source=file:/p");
  EXPECT_EQ(parse_spec("https://a?pin=4711")->text, "https://a?pin=4711");
  for (const char* bad : {"PKCS11:?pin-value=4711", "?pin-value=4711", "a:\xff?pin-value=4711&x"}) {
    EXPECT_EQ(parse_spec(bad).error().message.find("4711"), std::string::npos) << bad;
  }
}

}  // namespace
}  // namespace qanat::spec
