#include "sources/entropykey/entropykey.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/shown.h"
#include "sources/entropykey/find.h"
#include "sources/entropykey/keyring.h"
#include "sources/type.h"
#include "spec/options.h"

namespace qanat::sources {

using namespace std::chrono_literals;
using wire::entropykey::data_bytes;
using wire::entropykey::What;

namespace {

// It makes a block of 78 frames about once a second: five of them.
constexpr Duration most_silence = 5s;
constexpr unsigned block_frames = 78;
// After a refusal it tells its state within a second or two.
constexpr Duration reason_patience = 3s;
// Sessions that end in doubt with less than a block between them. One can be a byte that was lost.
constexpr unsigned most_doubts = 3;
constexpr unsigned most_strange = 2;

constexpr const char* counter_bad = "bad_macs";
constexpr const char* counter_replayed = "replayed_frames";
constexpr const char* counter_rekeys = "rekeys";
constexpr const char* counter_resets = "unasked_resets";

}  // namespace

EntropyKey::EntropyKey(const std::string& path, std::string keyring)
    : keyring_(std::move(keyring)), link_(path), entropy_(data_bytes) {
  for (const char* name : {counter_bad, counter_replayed, counter_rekeys, counter_resets}) {
    count(name, 0);
  }
}

std::string EntropyKey::device_name() const {
  return fmt::format("the EntropyKey {} ({})", wire::entropykey::to_text(link_.session().serial()),
                     link_.path());
}

void EntropyKey::count(const char* reading, double by) {
  const MutexLock lock(mutex_);
  counted_[reading] += by;
}

std::map<std::string, double> EntropyKey::readings() const {
  const MutexLock lock(mutex_);
  auto all = measured_;
  all.insert(counted_.begin(), counted_.end());
  return all;
}

Result<void> EntropyKey::open(const Waker& stop) {
  {
    const MutexLock lock(mutex_);
    measured_.clear();
  }
  doubts_ = strange_ = 0;
  left_ = 0;
  woken_ = false;
  in_all_by_ = Clock().now() + 2 * entropykey_patience;
  if (auto opened = link_.open(); !opened) return opened;
  auto ready = restart(stop);
  while (ready && waiting_ != Waiting::for_entropy) {
    if (const auto stepped = step(stop); !stepped) ready = tl::unexpected(stepped.error());
  }
  if (!ready) close();
  return ready;
}

void EntropyKey::close() {
  link_.close();
  long_term_key_ = SecretBytes();
  wipe(entropy_.view());
  left_ = 0;
}

Result<std::size_t> EntropyKey::read(MutableBytes out, const Waker& waker) {
  // The time in which nobody read does not count; but that of a wait does, however often it is
  // interrupted.
  if (!std::exchange(woken_, false)) in_all_by_ = Clock().now() + most_silence;
  while (left_ == 0) {
    const auto entropy = step(waker);
    if (!entropy && entropy.error().interrupted) {
      woken_ = true;
      return std::size_t{0};
    }
    if (!entropy) return tl::unexpected(entropy.error());
    if (!*entropy) continue;
    const Bytes fresh = link_.session().entropy();
    std::copy(fresh.begin(), fresh.end(), entropy_.view().begin());
    left_ = fresh.size();
  }
  const std::size_t n = std::min(left_, out.size());
  const MutableBytes given = entropy_.view().last(left_).first(n);
  std::copy(given.begin(), given.end(), out.begin());
  wipe(given);
  left_ -= n;
  return n;
}

Result<void> EntropyKey::restart(const Waker& waker) {
  waiting_ = Waiting::for_serial;
  by_ = Clock().now() + entropykey_patience;
  return send_reset(waker);
}

Result<void> EntropyKey::send_reset(const Waker& waker) {
  reset_again_ = Clock().now() + entropykey_reset_interval;
  return link_.send(link_.session().reset(), waker, by_);
}

Result<void> EntropyKey::rekey(const Waker& waker) {
  waiting_ = Waiting::for_key;
  by_ = Clock().now() + entropykey_patience;
  return link_.send(link_.session().rekey(long_term_key_.view(), fresh_nonce()), waker, by_);
}

Result<bool> EntropyKey::step(const Waker& waker) {
  TimePoint until = std::min(by_, in_all_by_);
  const bool resets = waiting_ == Waiting::for_serial && reset_again_ < until;
  if (resets) until = reset_again_;
  const auto event = link_.next(waker, until);
  if (!event) return tl::unexpected(event.error());
  if (!*event && resets) {
    if (auto sent = send_reset(waker); !sent) return tl::unexpected(sent.error());
    return false;
  }
  if (!*event) return too_late();
  if (auto handled = handle(**event, waker); !handled) return tl::unexpected(handled.error());
  return (*event)->what == What::entropy;
}

tl::unexpected<Error> EntropyKey::too_late() const {
  const auto patience = seconds(entropykey_patience);
  switch (waiting_) {
    case Waiting::for_serial:
      return error(
          fmt::format("{} does not answer within {:.0f} s: it is no EntropyKey, or it hangs; if it "
                      "is one, pull it "
                      "out and plug it in again",
                      link_.path(), patience));
    case Waiting::for_key:
      return error(fmt::format("{} does not begin a session within {:.0f} s; does it hang?",
                               device_name(), patience));
    case Waiting::for_reason:
      return fault(
          fmt::format("{} says that its generators have gone bad, and not how", device_name()));
    case Waiting::for_entropy:
      break;
  }
  return error(fmt::format("{} has sent no entropy for {:.0f} s; does it hang?", device_name(),
                           seconds(most_silence)));
}

Result<void> EntropyKey::handle(const Event& event, const Waker& waker) {
  switch (event.what) {
    case What::serial:
      return greet(waker);
    case What::keyed:
      waiting_ = Waiting::for_entropy;
      by_ = TimePoint::max();
      confirmed_ = false;
      good_ = 0;
      count(counter_rekeys);
      return {};
    case What::wants_key:
      return waiting_ == Waiting::for_entropy ? rekey(waker) : Result<void>();
    case What::entropy:
      confirmed_ = true;
      strange_ = 0;
      in_all_by_ = Clock().now() + most_silence;
      if (++good_ >= block_frames) doubts_ = 0;
      return {};
    case What::information:
      if (waiting_ == Waiting::for_entropy) confirmed_ = true;
      return take(event.information);
    case What::bad_generators:
      waiting_ = Waiting::for_reason;
      by_ = Clock().now() + reason_patience;
      return {};
    case What::wrong:
      count(counter_bad);
      return mistrust(waker);
    case What::replayed:
      count(counter_replayed);
      return mistrust(waker);
    // Answers to what is not asked here; and to a byte that was spoiled on its way to it.
    case What::unlocked:
    case What::long_term_keyed:
    case What::long_term_refused:
    case What::unknown_input:
      break;
  }
  return {};
}

// It has been reset, and has said who it is.
Result<void> EntropyKey::greet(const Waker& waker) {
  if (waiting_ != Waiting::for_serial) {
    count(counter_resets);
    if (++doubts_ >= most_doubts) {
      return error(fmt::format(
          "{} is reset again and again: does another program use it (ekeyd, ModemManager)?",
          device_name()));
    }
  }
  const auto& session = link_.session();
  if (session.version() != wire::entropykey::known_version) {
    return fault(fmt::format("{} speaks version {} of its protocol; known here is {}",
                             device_name(), session.version(), wire::entropykey::known_version));
  }
  const std::string remedy = how_to_set_key();
  auto key = find_long_term_key(keyring_, session.serial());
  if (!key) {
    return fault(fmt::format(
        "{}: {}; let this account read it, or name a copy with ?keyring=FILE; where there is none "
        "yet, {}",
        device_name(), key.error().message, remedy));
  }
  if (key->empty()) {
    return fault(fmt::format("the keyring {} has no long-term key of {}; {}", keyring_,
                             device_name(), remedy));
  }
  long_term_key_ = std::move(*key);
  return rekey(waker);
}

Result<void> EntropyKey::take(const wire::entropykey::Information& information) {
  std::map<std::string, double> known;
  {
    const MutexLock lock(mutex_);
    for (const auto& [name, value] : information.readings) measured_[name] = value;
    counted_["skipped_frames"] = static_cast<double>(link_.session().skipped());
    counted_["garbage_bytes"] = static_cast<double>(link_.session().garbage());
    known = measured_;
  }
  if (!information.failure || *information.failure == '0') return {};
  return fault(fmt::format(
      "{} gives no entropy: {}; when that is mended, pull it out and plug it in again, as it stays "
      "locked until then",
      device_name(), wire::entropykey::describe_failure(*information.failure, known)));
}

std::string EntropyKey::how_to_set_key() const {
  return fmt::format(
      "'qanat entropykey set-key {} --keyring {}' sets a new one, with the master key on its card",
      link_.path(), keyring_);
}

// A frame of this session cannot be believed: another session, and an end to it when that is no
// better.
Result<void> EntropyKey::mistrust(const Waker& waker) {
  ++doubts_;
  if (waiting_ == Waiting::for_entropy && !confirmed_ && ++strange_ >= most_strange) {
    return fault(fmt::format(
        "the long-term key of {} in {} is not the device's: no frame of a new session fits it; {}",
        device_name(), keyring_, how_to_set_key()));
  }
  if (doubts_ >= most_doubts) {
    return fault(fmt::format(
        "{} sends frames that are not its own, in {} sessions in a row: somebody changes them on "
        "the way, or the line loses bytes",
        device_name(), doubts_));
  }
  return restart(waker);
}

namespace {

SourcePlan read_entropykey(const spec::Spec& spec, entropy::Claim usual) {
  const std::string keyring = spec.option("keyring").value_or(usual_keyring);
  if (keyring.empty()) {
    throw Failure(spec.text + ": keyring= names no file; " + usual_keyring + " is usual");
  }
  return {
      .name = spec.text,
      .claim = spec::claim_of(spec, usual),
      .path = spec.target,
      .reads = {keyring},
      .make = [path = spec.target, keyring] { return std::make_unique<EntropyKey>(path, keyring); },
      .look =
          [keyring](spec::Obstacles& found) {
            result_into(found, "keyring", find_long_term_key(keyring, {}));
          }};
}

Availability entropykey_here() {
  const auto keys = find_entropykeys();
  if (keys.empty()) return {false, "no EntropyKey is plugged in (USB 20df:0001)"};
  std::string which;
  for (const PluggedKey& key : keys) {
    which += fmt::format("{}{} ({})", which.empty() ? "" : ", ", key.path, shown(key.serial));
  }
  return {true, which};
}

}  // namespace

// Its maker says 8, and ekeyd counts 7: each 256 bits are hashed from 3,000 to 5,000 of its two
// generators, by half more than it estimates to be needed. But a hash hides from our tests what its
// generators do, and nobody can look inside: half, as of a processor's.
extern const SourceType entropykey_type{
    .name = "entropykey",
    .target = "PATH",
    .usual = {4, true},
    .options = "keyring",
    .summary = "Simtec's EntropyKey on its line, such as /dev/ttyACM0",
    .read = read_entropykey,
    .available = entropykey_here,
};

}  // namespace qanat::sources
