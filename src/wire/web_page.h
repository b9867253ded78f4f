// What a browser says of the page that makes it ask: for servers that whoever reaches them may use,
// and that are reachable from every browser of their machine. No HTTP syntax, no sockets.
// docs/http-api.md, From a browser.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace qanat::wire {

// Whether a Host field names its server by what nobody else can make a name of: an address,
// localhost, or one of `names` (the operator's, in lower case); any port. A page whose own name was
// made to lead to this machine (DNS rebinding) sends that name.
bool is_own_host(std::string_view host, const std::vector<std::string>& names);

// Whether it was not a page of this server that asked: by Sec-Fetch-Site (Fetch Metadata), or by an
// Origin other than `host`. Both empty where no browser asks.
bool from_another_site(std::string_view fetch_site, std::string_view origin, std::string_view host);

}  // namespace qanat::wire
