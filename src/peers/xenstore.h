// We as a client of Xen's xenstored. docs/protocols/xenstore.md.
#pragma once

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "base/secret.h"
#include "base/waker.h"
#include "wire/xenstore.h"

namespace qanat::peers {

// What came of a request that xenstored has answered.
struct XenstoreAnswer {
  std::string_view refused;  // why, as wire::xenstore::refusal_of; empty: it was done
  Bytes payload;             // until the next call; secret where it was a seed that was asked for

  bool done() const { return refused.empty(); }
};

// One request at a time, on one thread. An Error of any function means that the connection is
// closed: xenstored has gone, has not answered in time, or says what nobody understands; or, when
// it is `interrupted`, that the owner should end.
class XenstoreLink {
 public:
  // Of a watch: what has changed, and the watch's token. Called in the middle of a request, too: it
  // takes a note, and asks nothing.
  using OnEvent = std::function<void(const wire::xenstore::Event& event)>;

  // `waker` is woken for whatever the owner has it for, and when `ending()` has become true.
  XenstoreLink(const Waker& waker, std::function<bool()> ending, const Clock& clock,
               OnEvent on_event);

  // `path`: a socket or the kernel's device; empty: $XENSTORED_PATH, or what is there of the usual.
  Result<void> open(const std::string& path);
  void close();
  explicit operator bool() const { return static_cast<bool>(link_); }

  using Kind = wire::xenstore::Kind;
  // The payload is its parts, one after the other; NULs are the caller's.
  Result<XenstoreAnswer> request(Kind kind, std::initializer_list<std::string_view> payload);
  // The names in a directory, however many; refused as `request` is.
  Result<XenstoreAnswer> list(const std::string& path, std::vector<std::string>& names);

  // Later requests belong to a transaction, until it ends. Whether all of it was done: false when
  // others were at the same things, and none was ("EAGAIN"); a transaction may be tried again.
  Result<XenstoreAnswer> begin();
  Result<XenstoreAnswer> end(bool commit);

  // Sleeps until xenstored says something, the waker was woken, or `limit` passed (none: for ever);
  // hears what was said. A wake that a request has slept through ends it at once.
  Result<void> wait(std::optional<Duration> limit);

 private:
  Result<void> send(Bytes message, TimePoint until);
  Result<XenstoreAnswer> await_reply(Kind kind, TimePoint until);
  // The next message, once all of it has come; false before that. Valid until the next call.
  Result<bool> next(wire::xenstore::Message& message);
  Result<bool> receive();
  Result<bool> hear();
  Result<void> sleep(short events, TimePoint until);
  tl::unexpected<Error> lost(std::string why);

  const Waker& waker_;
  const std::function<bool()> ending_;
  const Clock& clock_;
  const OnEvent on_event_;
  UniqueFd link_;
  bool woken_ = false;  // in a request
  std::uint32_t request_ = 0;
  std::uint32_t transaction_ = 0;
  SecretBytes out_;
  SecretBytes in_;
  std::size_t filled_ = 0;  // of in_
  std::size_t used_ = 0;    // of those: of the message that was given out
};

// Where xenstored is on this machine; empty where it is not.
std::string find_xenstored();

}  // namespace qanat::peers
