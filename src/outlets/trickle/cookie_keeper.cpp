#include "outlets/trickle/cookie_keeper.h"

#include <fmt/format.h>

#include <algorithm>

#include "crypto/aead.h"

namespace qanat::outlets {

namespace trickle = wire::trickle;
using Turn = CookieKeys::Turn;

CookieKeeper::CookieKeeper(File file, Tell tell) : file_(std::move(file)), tell_(std::move(tell)) {
  crypto::random_bytes(mark_);
}

void CookieKeeper::begin(std::uint64_t unix_seconds) {
  if (version() > 0) return keep(unix_seconds);
  Notices notices;
  {
    const MutexLock reading(file_mutex_);
    auto text = file_.read();
    if (!text) throw Failure(text.error().message);
    // A clock that cannot be right makes no key of 1970, from which half a million steps would lead
    // to the present.
    const std::uint64_t credible = std::max(unix_seconds, CookieKeys::first_credible_second);
    std::optional<CookieKeys> keys;
    if (text->empty()) {
      keys = CookieKeys::make(CookieKeys::generation_at(credible));
    } else {
      auto parsed = CookieKeys::parse(as_text(text->view()), 0);
      if (!parsed) {
        throw Failure(
            fmt::format("{}: {}; restore it, or delete it: then clients begin new "
                        "sessions by themselves",
                        file_.name, parsed.error().message));
      }
      keys = std::move(*parsed);
    }
    in_file_ = std::move(*text);
    const MutexLock lock(mutex_);
    publish(std::move(*keys));
    turn_keys(unix_seconds, notices);
  }
  tell(notices);
  keep(unix_seconds);
}

void CookieKeeper::tell(const Notices& notices) const {
  for (const auto& [text, kind] : notices) tell_(text, kind);
}

void CookieKeeper::publish(CookieKeys keys) {
  spent_.turn(keys.generation());
  keys_ = std::move(keys);
  version_.fetch_add(1, std::memory_order_release);
}

void CookieKeeper::turn(std::uint64_t unix_seconds) {
  const std::uint64_t hour = unix_seconds / CookieKeys::generation_seconds;
  if (hour_.load(std::memory_order_relaxed) == hour) return;
  Notices notices;
  {
    const MutexLock lock(mutex_);
    if (keys_) turn_keys(unix_seconds, notices);
  }
  tell(notices);
}

void CookieKeeper::turn_keys(std::uint64_t unix_seconds, Notices& notices) {
  hour_ = unix_seconds / CookieKeys::generation_seconds;
  CookieKeys keys = *keys_;
  const std::uint32_t before = keys.generation();
  const Turn turn = keys.follow(unix_seconds);
  const std::uint64_t clock = unix_seconds / CookieKeys::generation_seconds;
  const std::uint64_t ahead = before > clock ? before - clock : 0;
  if (turn == Turn::forward || turn == Turn::anew) publish(std::move(keys));
  switch (turn) {
    case Turn::present:
    case Turn::forward:
      clock_problem_.clear();
      break;
    case Turn::ahead:
      clock_problem_ = fmt::format(
          "the cookie keys are {} hours ahead of the clock, which was set back: they stay until it "
          "comes after them, and hubs that share them do not understand this one so long",
          ahead);
      break;
    case Turn::unset:
      clock_problem_ = "the clock is not set: cookie keys do not change with the hour until it is";
      break;
    case Turn::anew:
      clock_problem_.clear();
      notices.emplace_back(
          fmt::format("the cookie keys were {} hours ahead of the clock: this node has new ones, "
                      "and clients begin new sessions. Hubs that shared its key do not "
                      "understand its cookies any more: copy {} of one of them, and send SIGHUP",
                      ahead, file_.name),
          EventKind::clock_off);
      break;
  }
  if (turn != told_ && !clock_problem_.empty()) {
    notices.emplace_back(clock_problem_,
                         turn == Turn::ahead ? EventKind::clock_off : EventKind::note);
  }
  told_ = turn;
}

void CookieKeeper::keep(std::uint64_t unix_seconds) {
  turn(unix_seconds);
  if (const std::string news = write_file(); !news.empty()) tell_(news, EventKind::warning);
}

// What is wrong, when that is new.
std::string CookieKeeper::write_file() {
  const MutexLock writing(file_mutex_);
  SecretBytes wanted;
  {
    const MutexLock lock(mutex_);
    wanted = keys_->text();
  }
  const auto there = file_.read();
  if (there && equal_constant_time(there->view(), wanted.view())) {
    in_file_ = std::move(wanted);
    const MutexLock lock(mutex_);
    file_problem_.clear();
    return "";
  }
  // Neither ours nor gone: somebody has put another hub's key there, and has not said so yet.
  std::string problem;
  if (there && !there->empty() && !equal_constant_time(there->view(), in_file_.view())) {
    problem = fmt::format("{} is not what this node wrote: SIGHUP takes it up", file_.name);
  } else if (auto kept = file_.write(wanted.view()); !kept) {
    problem = kept.error().message +
              ": the cookie keys are in memory alone, and a restart costs each client a session";
  } else {
    in_file_ = std::move(wanted);
  }
  const MutexLock lock(mutex_);
  const bool news = problem != file_problem_;
  file_problem_ = std::move(problem);
  return news ? file_problem_ : "";
}

void CookieKeeper::reload(std::uint64_t unix_seconds) {
  Notices notices;
  const bool keeping = read_file(unix_seconds, notices);
  tell(notices);
  if (keeping) keep(unix_seconds);
}

// Whether the file is ours to write: it is gone, or it was understood.
bool CookieKeeper::read_file(std::uint64_t unix_seconds, Notices& notices) {
  const MutexLock reading(file_mutex_);
  auto there = file_.read();
  const bool gone = there && there->empty();
  auto parsed = there ? CookieKeys::parse(as_text(there->view()), 0)
                      : Result<CookieKeys>(tl::unexpected(there.error()));
  if (gone) return true;
  if (!parsed) {
    notices.emplace_back(fmt::format("{}: {}; this node goes on with the key that it has",
                                     file_.name, parsed.error().message),
                         EventKind::warning);
    return false;
  }
  in_file_ = std::move(*there);
  const MutexLock lock(mutex_);
  if (keys_->same_chain(*parsed)) return true;
  publish(std::move(*parsed));
  notices.emplace_back(
      fmt::format("the cookie key in {} is taken up: clients with cookies under the one of "
                  "before begin new sessions",
                  file_.name),
      EventKind::note);
  turn_keys(unix_seconds, notices);
  return true;
}

void CookieKeeper::renew() {
  const MutexLock lock(mutex_);
  crypto::random_bytes(mark_);
  if (keys_) version_.fetch_add(1, std::memory_order_release);
}

CookieKeeper::Copy CookieKeeper::copy() const {
  const MutexLock lock(mutex_);
  return {version_.load(std::memory_order_relaxed), *keys_, mark_};
}

trickle::Cookie CookieKeeper::seal(trickle::CookieContent& content) const {
  trickle::Nonce nonce;
  crypto::random_bytes(nonce);
  const MutexLock lock(mutex_);
  std::copy(mark_.begin(), mark_.end(), nonce.begin());
  content.session = keys_->generation();
  return trickle::seal_cookie(keys_->current(), keys_->generation(), nonce, content);
}

std::string CookieKeeper::problem() const {
  const MutexLock lock(mutex_);
  return !clock_problem_.empty() ? clock_problem_ : file_problem_;
}

}  // namespace qanat::outlets
