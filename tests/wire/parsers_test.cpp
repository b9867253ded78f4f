#include <gtest/gtest.h>

#include <random>

#include "spec/address.h"
#include "spec/spec.h"
#include "wire/http_api.h"
#include "wire/join_string.h"
#include "wire/path.h"
#include "wire/proof.h"
#include "wire/web_page.h"

namespace qanat::wire {
namespace {

TEST(Wire, ParsersAreTotal) {
  const std::uint64_t seed = 7;
  std::mt19937_64 random(seed);
  const std::string alphabet = "qanat1.:/?&=%+[]0123456789abcxyzABC-_ \n\"";
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (std::size_t n = random() % 60; n > 0; --n) text += alphabet[random() % alphabet.size()];
    (void)spec::parse_spec(text);
    (void)spec::parse_address(text, 1);
    (void)decode_join_string("qanat1." + text);
    (void)decode_authorization("Qanat " + text);
    (void)decode_path(text);
    (void)is_own_host(text, {});
    (void)from_another_site(text, text, text);
    (void)parse_api_request("GET", "/v1/random?" + text, text, {});
    (void)parse_api_request("POST", "/", text, {});
  }
}

}  // namespace
}  // namespace qanat::wire
