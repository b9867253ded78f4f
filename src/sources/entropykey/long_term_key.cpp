#include "sources/entropykey/long_term_key.h"

#include <fmt/core.h>

#include <algorithm>

#include "sources/entropykey/link.h"

namespace qanat::sources {

using wire::entropykey::SerialNumber;
using wire::entropykey::What;

namespace {

// Waits for one of the answers, however much else comes before it; nullopt: until `by` there was
// none.
Result<std::optional<What>> await(EntropyKeyLink& link, std::initializer_list<What> answers,
                                  const Waker& waker, TimePoint by) {
  while (true) {
    const auto event = link.next(waker, by);
    if (!event) return tl::unexpected(event.error());
    if (!*event) return std::nullopt;
    for (const What answer : answers) {
      if ((*event)->what == answer) return answer;
    }
    if ((*event)->what == What::bad_generators) {
      return error(link.path() + ": its generators have gone bad, so it makes no key");
    }
    // It is another one's now, or was pulled out and plugged in again.
    if ((*event)->what == What::serial) {
      return error(link.path() + " was reset in the middle: does another program use it?");
    }
  }
}

// Sends a command, and again where there is no answer after `again`.
Result<What> ask(EntropyKeyLink& link, std::string_view command,
                 std::initializer_list<What> answers, const char* what, const Waker& waker,
                 Duration again = entropykey_patience) {
  const TimePoint end = Clock().now() + entropykey_patience;
  while (Clock().now() < end) {
    const TimePoint by = std::min(end, Clock().now() + again);
    if (auto sent = link.send(command, waker, by); !sent) return tl::unexpected(sent.error());
    const auto answer = await(link, answers, waker, by);
    if (!answer) return tl::unexpected(answer.error());
    if (*answer) return **answer;
  }
  return error(fmt::format("{} does not answer {} within {:.0f} s: is it an EntropyKey?",
                           link.path(), what, seconds(entropykey_patience)));
}

}  // namespace

Result<LongTermKey> set_long_term_key(const std::string& path, Bytes master_key,
                                      std::optional<SerialNumber> serial, const Waker& waker) {
  EntropyKeyLink link(path);
  if (auto opened = link.open(); !opened) return tl::unexpected(opened.error());
  auto& session = link.session();
  auto answer =
      ask(link, session.reset(), {What::serial}, "a reset", waker, entropykey_reset_interval);
  if (!answer) return tl::unexpected(answer.error());
  if (session.version() != wire::entropykey::known_version) {
    return error(fmt::format("{} speaks version {} of its protocol; known here is {}", path,
                             session.version(), wire::entropykey::known_version));
  }
  const std::string is = wire::entropykey::to_text(session.serial());
  if (serial && *serial != session.serial()) {
    return error(fmt::format("{} is the EntropyKey {}, not {}", path, is,
                             wire::entropykey::to_text(*serial)));
  }
  const auto nonce = fresh_nonce();
  answer = ask(link, session.unlock(master_key, nonce), {What::unlocked, What::long_term_refused},
               "the proof of the master key", waker);
  if (answer && *answer == What::unlocked) {
    answer = ask(link, session.set_long_term_key(master_key, nonce),
                 {What::long_term_keyed, What::long_term_refused}, "a new long-term key", waker);
  }
  if (!answer) return tl::unexpected(answer.error());
  if (*answer == What::long_term_refused) {
    return error(
        fmt::format("the master key is not that of the EntropyKey {} ({}); look at the "
                    "card of the device with this serial number",
                    is, path));
  }
  return LongTermKey{session.serial(), SecretBytes(session.long_term_key())};
}

}  // namespace qanat::sources
