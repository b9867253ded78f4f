#include "wire/trickle_question.h"

#include <array>

namespace qanat::wire::trickle {

using namespace std::chrono_literals;

namespace {

// What to wait for an answer to the n-th datagram, before jitter. A path of more than a quarter of
// a second costs a second datagram, and one of more than 6 s has to do with HTTPS.
constexpr std::array<Duration, 5> patience{250ms, 500ms, 1s, 2s, 2s};
// The third goes with another cookie: should the first be unknown there, this may be known.
constexpr std::size_t other_cookie_at = 2;

// From half to one and a half times.
Duration jittered(Duration usual, std::uint32_t random) {
  return usual / 2 + Duration(usual.count() * static_cast<std::int64_t>(random >> 16) >> 16);
}

}  // namespace

std::optional<std::vector<std::uint8_t>> Question::due(TimePoint now) {
  if (ended_ || asked_.size() == most_asked || (!asked_.empty() && now < next_)) {
    return std::nullopt;
  }
  if (asked_.empty() || asked_.size() == other_cookie_at) {
    if (auto cookie = take_cookie_()) cookies_.push_back(std::move(*cookie));
    if (cookies_.empty()) {
      ended_ = true;
      return std::nullopt;
    }
  }
  Asked asked;
  asked.cookie = cookies_.size() - 1;
  std::array<std::uint8_t, id_bytes + 4> random;
  random_(random);
  std::copy_n(random.begin(), id_bytes, asked.id.begin());
  std::uint32_t jitter = 0;
  for (std::size_t i = id_bytes; i < random.size(); ++i) jitter = jitter << 8 | random[i];
  next_ = now + jittered(patience[asked_.size()], jitter);
  asked_.push_back(asked);
  const KeyedCookie& held = cookies_[asked.cookie];
  const Request request{.grade = wanted_.grade,
                        .cookies = wanted_.cookies,
                        .bytes = wanted_.bytes,
                        .id = asked.id,
                        .cookie = held.cookie};
  return encode_request(request, held.c2s());
}

bool Question::take(Bytes datagram, Answer& answer) {
  if (ended_) return false;
  for (const Asked& asked : asked_) {
    if (!decode_answer(datagram, asked.id, cookies_[asked.cookie].s2c(), answer)) continue;
    // Authentic, and more than was asked for all the same: a server that is wrong. So is one that
    // sends fewer bytes, but its cookies are good.
    if (answer.bytes > wanted_.bytes || answer.cookies > wanted_.cookies) return false;
    answered_ = asked.cookie;
    ended_ = true;
    return true;
  }
  return false;
}

std::vector<KeyedCookie> Question::fresh(const Answer& answer) const {
  std::vector<KeyedCookie> fresh;
  for (unsigned i = 0; i < answer.cookies; ++i) {
    KeyedCookie next{answer.cookie(i), SecretBytes(keys_bytes)};
    next_keys(cookies_[answered_].keys.view(), answer.fresh(i), next.keys.view());
    fresh.push_back(std::move(next));
  }
  return fresh;
}

}  // namespace qanat::wire::trickle
