// In place of the dashboard's files where there are none.
#include "outlets/http/web_files.h"

namespace qanat::outlets {

std::span<const WebFile> web_files() { return {}; }

}  // namespace qanat::outlets
