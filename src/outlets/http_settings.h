// What one HTTP outlet is told, and its limits with their reasons.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "share/terms.h"
#include "share/token_bucket.h"
#include "wire/http_api.h"
#include "wire/spec.h"

namespace qanat::outlets {

enum class Access {
  open,  // whoever reaches it: loopback, or by the operator's word
  join,  // a pre-shared key, proved per connection
  ca,    // a client certificate of the operator's CA
};

struct HttpLimits {
  // Open connections of one outlet. At some 20 KB each (TLS, idle) that is 400 MB at the worst.
  std::size_t connections = 20000;
  // A request's header or body: eight times what any client of ours sends.
  std::size_t header_bytes = 8192;
  std::size_t body_bytes = 8192;
  // TLS and a whole header: slower peers hold a connection for nothing.
  Duration handshake = std::chrono::seconds(10);
  Duration header = std::chrono::seconds(10);
  // Between requests: longer than the usual 60 s between two feeds, so that those keep theirs.
  Duration idle = std::chrono::seconds(150);
  // A peer that takes nothing for this long has gone.
  Duration write = std::chrono::seconds(30);
  // Grade drbg, per client and per block of addresses: a request costs its bytes and drbg_request.
  // So one client takes at most some fifth of a core, a block at most one. Peers on this machine
  // are free of it unless the operator names a rate.
  share::BucketRate client_drbg{128 << 20, 256 << 20};
  share::BucketRate block_drbg{512 << 20, 1 << 30};
  bool limit_local = false;
  // What a request costs beside its bytes, in the time of one byte: 13 us against 1.2 ns measured.
  std::uint64_t drbg_request = 8192;
};

// An answer of the control socket: status code and JSON.
struct ControlAnswer {
  unsigned status = 200;
  std::string body;
};
using ControlHandler = std::function<ControlAnswer(std::string_view method, std::string_view path,
                                                   std::string_view body)>;

struct HttpSettings {
  std::string name;       // as configured
  std::string unix_path;  // or:
  wire::Address address;
  bool tls = false;
  Access access = Access::open;
  wire::Grade pollen_grade = wire::Grade::full;
  std::optional<std::string> certificate_file;
  std::optional<std::string> key_file;
  std::optional<std::string> ca_file;
  wire::ApiLimits api;
  share::Terms terms;  // of those that have no name
  HttpLimits limits;
  ControlHandler control;  // paths below /control/; empty for all but the control socket
};

}  // namespace qanat::outlets
