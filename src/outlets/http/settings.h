// What one HTTP outlet is told, and the handler of the control socket.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "outlets/type.h"
#include "serve/limits.h"
#include "share/terms.h"
#include "spec/address.h"

namespace qanat::outlets {

enum class Access {
  open,  // whoever reaches it: loopback, or by the operator's word
  join,  // a pre-shared key, proved per connection
  ca,    // a client certificate of the operator's CA
};

// An answer of the control socket: status code and JSON.
struct ControlAnswer {
  unsigned status = 200;
  std::string body;
  // Takes back what was done, where whoever asked has gone before it could be told; may be empty.
  std::function<void()> undo = {};
};
using ControlHandler = std::function<ControlAnswer(std::string_view method, std::string_view path,
                                                   std::string_view body)>;

struct HttpSettings {
  std::string name;       // as configured
  std::string unix_path;  // or:
  spec::Address address;
  std::vector<std::string> hosts;  // names, in lower case, by which this machine's browsers may ask
  bool tls = false;
  Access access = Access::open;
  spec::Grade pollen_grade = spec::Grade::full;
  std::optional<std::string> certificate_file;
  std::optional<std::string> key_file;
  std::optional<std::string> ca_file;
  share::Terms terms;  // of those that have no name
  serve::Limits limits;
  ControlHandler control;  // paths below /control/; empty for all but the control socket
};

// From a name with its options. Throws Failure, also for an address beyond loopback that nothing
// guards.
HttpSettings read_http_settings(const spec::Spec& spec, const OutletDefaults& defaults);
// Who may draw, for people.
std::string note_of(const HttpSettings& settings);

}  // namespace qanat::outlets
