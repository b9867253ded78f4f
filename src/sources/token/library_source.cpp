#include "sources/token/library_source.h"

#include <fmt/core.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "base/quantity.h"

namespace qanat::sources {

using namespace std::chrono_literals;

namespace {

// Together less than what a source's end is waited for (Node::stop).
constexpr Duration grace_of_call = 500ms;
constexpr Duration grace_of_end = 300ms;

// A library's thread has nobody who would hear an exception.
template <typename Call>
auto caught(const Call& call) -> decltype(call()) {
  try {
    return call();
  } catch (const std::exception& problem) {
    return error(plain_what(problem));
  }
}

}  // namespace

// Owned by both threads, so that what hangs harms nothing when it ends.
struct LibrarySource::Work {
  explicit Work(std::size_t piece) : bytes(piece) {}
  std::unique_ptr<LibrarySession> session;
  SecretBytes bytes;
  Result<void> opened;
  Result<std::size_t> got{0};
};

Result<void> LibrarySource::open(const Waker& stop) {
  if (thread_.busy()) return error(settings_.who + " still does not answer");
  const auto work = std::make_shared<Work>(settings_.piece);
  const auto connect = [work, make = make_] {
    work->opened = caught([&] {
      work->session = make();
      return work->session->open();
    });
  };
  const Wake wake = thread_.run(connect, stop, settings_.open_patience);
  work_ = work;
  if (wake == Wake::ready && work_->opened) return {};
  tl::unexpected<Error> why = wake == Wake::ready   ? tl::unexpected(work_->opened.error())
                              : wake == Wake::woken ? interrupted()
                                                    : silent(settings_.open_patience);
  close();
  return why;
}

Result<std::size_t> LibrarySource::read(MutableBytes out, const Waker& waker) {
  Wake wake{};
  if (asked_) {
    wake = thread_.wait(waker, std::max(deadline_ - Clock().now(), Duration::zero()));
  } else {
    asked_ = true;
    deadline_ = Clock().now() + settings_.patience;
    const std::size_t wanted = std::min(out.size(), settings_.piece);
    const auto ask = [work = work_, wanted] {
      work->got = caught([&] { return work->session->read(work->bytes.view().first(wanted)); });
    };
    wake = thread_.run(ask, waker, settings_.patience);
  }
  if (wake == Wake::woken) return std::size_t{0};
  if (wake == Wake::timeout) return silent(settings_.patience);
  asked_ = false;
  if (!work_->got) return work_->got;
  const std::size_t n = std::min(*work_->got, out.size());
  std::copy_n(work_->bytes.view().begin(), n, out.begin());
  wipe(work_->bytes.view());
  return n;
}

void LibrarySource::close() {
  asked_ = false;
  if (!work_) return;
  const Waker never;
  if (thread_.wait(never, grace_of_call) == Wake::ready) {
    const auto disconnect = [work = work_] { work->session.reset(); };
    thread_.run(disconnect, never, grace_of_end);
  }
  work_.reset();
}

std::optional<Origin> LibrarySource::origin() const {
  return settings_.path.empty() ? std::nullopt : origin_of(settings_.path);
}

tl::unexpected<Error> LibrarySource::silent(Duration patience) const {
  return error(
      fmt::format("{} has not answered for {}: it hangs, or is busy for somebody else, or another "
                  "program holds it",
                  settings_.who, format_duration(patience)));
}

}  // namespace qanat::sources
