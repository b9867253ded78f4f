#include "peers/xenstore.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

#include "base/powers.h"
#include "net/connect.h"

namespace qanat::peers {

namespace xenstore = wire::xenstore;
using namespace std::chrono_literals;

namespace {

// It answers within a millisecond; when a thousand guests start, within a second.
constexpr Duration xenstored_patience = 5s;
// So much is heard before anybody else has a word: events without end hold up nothing.
constexpr int most_heard = 256;
// More names than there can be domains, or a directory that changes whenever it is read.
constexpr std::size_t most_names = 1 << 16;
constexpr int most_list_tries = 16;

constexpr std::string_view nul{"\0", 1};

bool is_there(const char* path) { return ::access(path, F_OK) == 0; }

}  // namespace

std::string find_xenstored() {
  // As libxenstore has it; a socket where xenstored runs, a device in the others' kernels.
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
  if (const char* const path = std::getenv("XENSTORED_PATH")) return path;
  for (const char* path : {"/run/xenstored/socket", "/var/run/xenstored/socket", "/dev/xen/xenbus",
                           "/proc/xen/xenbus"}) {
    if (is_there(path)) return path;
  }
  return {};
}

XenstoreLink::XenstoreLink(const Waker& waker, std::function<bool()> ending, const Clock& clock,
                           OnEvent on_event)
    : waker_(waker),
      ending_(std::move(ending)),
      clock_(clock),
      on_event_(std::move(on_event)),
      out_(xenstore::most_message),
      in_(xenstore::most_message) {}

Result<void> XenstoreLink::open(const std::string& path) {
  close();
  const std::string where = path.empty() ? find_xenstored() : path;
  if (where.empty()) {
    return error(
        "no xenstored here: there is neither /run/xenstored/socket nor /dev/xen/xenbus (xenfs, or "
        "the module xen_xenbus)");
  }
  struct stat info {};
  if (::stat(where.c_str(), &info) != 0) return error(with_errno("cannot open " + where, errno));
  if (S_ISSOCK(info.st_mode)) {
    auto connected = net::connect_unix(where);
    if (!connected) return tl::unexpected(connected.error());
    link_ = std::move(*connected);
    return {};
  }
  link_ = UniqueFd(open_file(where, O_RDWR | O_NONBLOCK));
  if (!link_) return error(with_errno("cannot open " + where, errno));
  return {};
}

void XenstoreLink::close() {
  link_.reset();
  transaction_ = 0;
  filled_ = used_ = 0;
  wipe(in_.view());
}

tl::unexpected<Error> XenstoreLink::lost(std::string why) {
  close();
  return error(std::move(why));
}

Result<XenstoreAnswer> XenstoreLink::request(Kind kind,
                                             std::initializer_list<std::string_view> payload) {
  std::array<Bytes, 8> parts;
  std::size_t count = 0;
  for (const std::string_view part : payload) parts.at(count++) = as_bytes(part);
  const std::size_t size = xenstore::encode({kind, ++request_, transaction_, {}},
                                            std::span(parts).first(count), out_.view());
  if (size == 0) return XenstoreAnswer{"E2BIG", {}};
  const TimePoint until = clock_.now() + xenstored_patience;
  const auto sent = send(out_.view().first(size), until);
  wipe(out_.view().first(size));
  if (!sent) return tl::unexpected(sent.error());
  return await_reply(kind, until);
}

Result<void> XenstoreLink::send(Bytes message, TimePoint until) {
  while (!message.empty()) {
    if (ending_()) return close(), interrupted();
    const ssize_t n = ::write(link_.get(), message.data(), message.size());
    if (n >= 0) {
      message = message.subspan(static_cast<std::size_t>(n));
    } else if (errno == EAGAIN) {
      if (auto slept = sleep(POLLOUT, until); !slept) return slept;
    } else if (errno != EINTR) {
      return lost(with_errno("cannot write to xenstored", errno));
    }
  }
  return {};
}

Result<XenstoreAnswer> XenstoreLink::await_reply(Kind kind, TimePoint until) {
  for (;;) {
    xenstore::Message message;
    const auto found = next(message);
    if (!found) return tl::unexpected(found.error());
    if (ending_()) return close(), interrupted();
    if (!*found) {
      if (auto slept = sleep(POLLIN, until); !slept) return tl::unexpected(slept.error());
      continue;
    }
    if (message.kind == Kind::event) {
      // Events without end are no answer either.
      if (clock_.now() >= until) return lost("xenstored tells, and does not answer");
      if (const auto event = xenstore::decode_event(message.payload)) on_event_(*event);
      continue;
    }
    const bool ours = message.request == request_;
    if (message.kind == Kind::error && ours) {
      return XenstoreAnswer{xenstore::refusal_of(message.payload), {}};
    }
    if (message.kind != kind || !ours) return lost("xenstored answers what nobody has asked");
    return XenstoreAnswer{{}, message.payload};
  }
}

Result<bool> XenstoreLink::next(xenstore::Message& message) {
  if (used_ > 0) {
    const MutableBytes all = in_.view();
    std::copy(all.begin() + static_cast<std::ptrdiff_t>(used_),
              all.begin() + static_cast<std::ptrdiff_t>(filled_), all.begin());
    wipe(all.subspan(filled_ - used_, used_));
    filled_ -= std::exchange(used_, 0);
  }
  for (;;) {
    switch (xenstore::decode(in_.view().first(filled_), message, used_)) {
      case wire::Status::complete:
        return true;
      case wire::Status::malformed:
        return lost("xenstored says what is no message of its protocol");
      case wire::Status::incomplete:
        break;
    }
    const auto more = receive();
    if (!more) return tl::unexpected(more.error());
    if (!*more) return false;
  }
}

// Whether anything has come.
Result<bool> XenstoreLink::receive() {
  const MutableBytes room = in_.view().subspan(filled_);
  ssize_t n = 0;
  do {
    n = ::read(link_.get(), room.data(), room.size());
  } while (n < 0 && errno == EINTR);
  if (n > 0) {
    filled_ += static_cast<std::size_t>(n);
    return true;
  }
  if (n < 0 && errno == EAGAIN) return false;
  return lost(n == 0 ? "xenstored has hung up" : with_errno("cannot read from xenstored", errno));
}

// What else the waker is woken for, its owner finds at the next `wait`.
Result<void> XenstoreLink::sleep(short events, TimePoint until) {
  const Duration left = until - clock_.now();
  if (left <= Duration::zero()) {
    return lost(
        fmt::format("xenstored has not answered for {:.0f} s", seconds(xenstored_patience)));
  }
  if (wait_for(link_.get(), events, waker_, left) == Wake::woken) {
    waker_.clear();
    woken_ = true;
  }
  if (ending_()) return close(), interrupted();
  return {};
}

Result<void> XenstoreLink::wait(std::optional<Duration> limit) {
  // Some may have come with the last reply.
  const auto heard = hear();
  if (!heard) return tl::unexpected(heard.error());
  if (*heard || std::exchange(woken_, false)) return {};
  const Wake wake = wait_for(link_.get(), POLLIN, waker_, limit);
  if (wake == Wake::woken) waker_.clear();
  if (wake != Wake::ready) return {};
  const auto more = hear();
  return more ? Result<void>{} : tl::unexpected(more.error());
}

// Whether there were events.
Result<bool> XenstoreLink::hear() {
  for (int heard = 0; heard < most_heard; ++heard) {
    xenstore::Message message;
    auto found = next(message);
    if (!found) return found;
    if (!*found) return heard > 0;
    if (message.kind != Kind::event) return lost("xenstored answers what nobody has asked");
    if (const auto event = xenstore::decode_event(message.payload)) on_event_(*event);
  }
  return true;
}

Result<XenstoreAnswer> XenstoreLink::begin() {
  auto answer = request(Kind::begin, {nul});
  if (!answer || !answer->done()) return answer;
  const auto id = xenstore::transaction_of(answer->payload);
  if (!id) return lost("xenstored begins a transaction without a number");
  transaction_ = *id;
  return answer;
}

Result<XenstoreAnswer> XenstoreLink::end(bool commit) {
  auto answer = request(Kind::end, {commit ? "T" : "F", nul});
  transaction_ = 0;
  return answer;
}

Result<XenstoreAnswer> XenstoreLink::list(const std::string& path,
                                          std::vector<std::string>& names) {
  const auto add_names = [&names](Bytes all) {
    while (!all.empty()) names.emplace_back(xenstore::take_string(all));
  };
  names.clear();
  auto whole = request(Kind::directory, {path, nul});
  if (!whole || whole->refused != "E2BIG") {
    if (whole && whole->done()) add_names(whole->payload);
    return whole;
  }
  std::string generation;
  std::size_t offset = 0;
  for (int tries = 0; tries < most_list_tries;) {
    const std::string at = std::to_string(offset);
    auto answer = request(Kind::directory_part, {path, nul, at, nul});
    if (!answer || !answer->done()) return answer;
    const auto part = xenstore::decode_directory_part(answer->payload);
    if (!part || names.size() > most_names || (part->names.empty() && !part->last)) {
      return lost("xenstored lists what is no directory");
    }
    if (offset > 0 && part->generation != generation) {
      ++tries;
      names.clear();
      offset = 0;
      continue;
    }
    generation = part->generation;
    add_names(part->names);
    offset += part->names.size();
    if (part->last) return answer;
  }
  names.clear();
  return XenstoreAnswer{"EAGAIN", {}};
}

}  // namespace qanat::peers
