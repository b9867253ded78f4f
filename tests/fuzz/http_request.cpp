// The HTTP outlet's reading of a request, byte for byte as its connection does it, in any cut.
#include <boost/asio/buffer.hpp>
#include <boost/beast/http.hpp>
#include <vector>

#include "fuzz.h"
#include "wire/http_api.h"

namespace http = boost::beast::http;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t step = 1 + data[0] % 64;
  http::request_parser<http::string_body> parser;
  parser.header_limit(8192);
  parser.body_limit(8192);
  std::vector<std::uint8_t> inbox;
  for (std::size_t at = 1; at < size && !parser.is_done(); at += step) {
    inbox.insert(inbox.end(), data + at, data + std::min(size, at + step));
    boost::system::error_code problem;
    const std::size_t used = parser.put(boost::asio::const_buffer(inbox.data(), inbox.size()), problem);
    must(used <= inbox.size());
    inbox.erase(inbox.begin(), inbox.begin() + static_cast<std::ptrdiff_t>(used));
    if (problem && problem != http::error::need_more) return 0;
  }
  if (!parser.is_done()) return 0;
  const auto& request = parser.get();
  must(request.body().size() <= 8192);
  const auto target = request.target();
  (void)qanat::wire::parse_api_request("GET", text_of(reinterpret_cast<const std::uint8_t*>(target.data()), target.size()),
                                       request.body(), {});
  return 0;
}
