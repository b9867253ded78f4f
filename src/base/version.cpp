#include "base/version.h"

namespace qanat {

const char* version() { return QANAT_VERSION; }

const char* features() { return QANAT_FEATURES; }

}  // namespace qanat
