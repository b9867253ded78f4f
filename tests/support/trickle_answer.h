// wire::trickle::decode_answer for tests that look at what came.
#pragma once

#include <memory>

#include "wire/trickle.h"

namespace qanat::test {

using AnswerPtr = std::unique_ptr<wire::trickle::Answer>;

// Null for what is no answer.
inline AnswerPtr answer_of(Bytes datagram, const wire::trickle::Id& id, Bytes s2c) {
  auto answer = std::make_unique<wire::trickle::Answer>();
  if (!wire::trickle::decode_answer(datagram, id, s2c, *answer)) answer.reset();
  return answer;
}

}  // namespace qanat::test
