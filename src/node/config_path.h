// Where the configuration of this machine's node is, when nobody names another file.
#pragma once

#include <string>

namespace qanat::node {

// PREFIX/etc/qanat/qanat.toml of the prefix that this program is installed in; for /usr, and where
// that file is missing and the other is not, /etc/qanat/qanat.toml. Of one and the same program
// always the same; any thread may ask.
const char* default_config_path();

// The same for the program at `program`, where `etc` stands for /etc, and `installed` is where the
// build puts configuration: relative to the prefix, or absolute, which is then the place.
std::string config_path_of(const std::string& program, const std::string& etc,
                           const std::string& installed);

}  // namespace qanat::node
