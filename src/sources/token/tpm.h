// The generator of a TPM 2.0, by tpm2-tss.
#pragma once

#include <memory>
#include <string>

#include "sources/token/library_source.h"

namespace qanat::sources {

// `tcti`: how it is reached, as tpm2-tools write it: "device:/dev/tpmrm0", "swtpm:path=/run/tpm".
// A sample is a byte of TPM2_GetRandom. Throws Failure where qanat was built without tpm2-tss.
std::unique_ptr<LibrarySession> make_tpm_session(const std::string& tcti);

}  // namespace qanat::sources
