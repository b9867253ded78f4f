// Which version of the program this is.
#pragma once

namespace qanat {

// "0.1.0", from CMakeLists.txt.
const char* version();
// "+systemd -avahi": the optional libraries that it was built with (+) or without (-).
const char* features();

}  // namespace qanat
