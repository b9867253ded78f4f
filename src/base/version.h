// Which version of the program this is.
#pragma once

namespace qanat {

// "0.1.0", from CMakeLists.txt.
const char* version();

}  // namespace qanat
