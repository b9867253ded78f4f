#include "base/version.h"

namespace qanat {

const char* version() { return QANAT_VERSION; }

}  // namespace qanat
