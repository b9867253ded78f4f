// What a decoder found at the beginning of its input.
#pragma once

namespace qanat::wire {

// A whole message; too little of one; or none, whatever may follow.
enum class Status { complete, incomplete, malformed };

}  // namespace qanat::wire
