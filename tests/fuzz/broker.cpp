#include "wire/broker.h"

#include "fuzz.h"
#include "wire/broker_session.h"

// The first byte says which of the parsers; they are all total.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace broker = qanat::wire::broker;
  const qanat::Bytes all = qanat::as_bytes(text_of(data, size));
  if (all.empty()) return 0;
  const qanat::Bytes in = all.subspan(1);
  std::size_t used = 0;
  switch (all[0] % 6) {
    case 0: {
      broker::Message message;
      const auto status = decode(in, message, used);
      must(status != qanat::wire::Status::complete || (used == 8 && message.code <= 9999));
      must(status != qanat::wire::Status::incomplete || in.size() < broker::message_bytes);
      break;
    }
    case 1: {
      broker::Hello hello;
      const auto status = decode(in, hello, used);
      must(status != qanat::wire::Status::incomplete || in.size() < broker::most_hello);
      if (status != qanat::wire::Status::complete) break;
      must(used <= in.size() && used <= broker::most_hello);
      const auto again = encode(hello);
      must(again.size() == used && std::equal(again.begin(), again.end(), in.begin()));
      break;
    }
    case 2: {
      broker::Login login;
      const auto status = decode(in, broker::most_digest, login, used);
      must(status != qanat::wire::Status::incomplete || in.size() < broker::most_login);
      if (status != qanat::wire::Status::complete) break;
      must(used <= in.size() && used <= broker::most_login);
      must(encode(login).size() == used);
      break;
    }
    case 3:
      (void)broker::parse_users(qanat::as_text(in));
      break;
    case 4:
      (void)broker::parse_password_file(qanat::as_text(in), "joe");
      (void)broker::parse_account(qanat::as_text(in));
      break;
    case 5: {
      static broker::Session session({"sha512", "md5", "aes", "7"}, "password");
      std::vector<std::uint8_t> frame(in.begin(), in.end());
      (void)session.open(frame);
      break;
    }
  }
  return 0;
}
