// Sources that come over a stream: a UNIX socket or TCP.
#pragma once

#include <functional>
#include <limits>
#include <string>

#include "sources/type.h"
#include "spec/address.h"
#include "spec/options.h"

namespace qanat::sources {

// Connects, and reads what comes. Of a protocol in which one has to ask, a class derives from it.
// Nobody vouches for the peer.
class StreamSource : public Source {
 public:
  // A UNIX socket when `path` is not empty, else TCP.
  StreamSource(std::string path, spec::Address address)
      : path_(std::move(path)), address_(std::move(address)) {}

  Result<void> open(const Waker& stop) override;
  Result<std::size_t> read(MutableBytes out, const Waker& waker) override;
  void expect(TimePoint by) override { deadline_ = by; }
  void close() override { fd_.reset(); }
  Duration longest_absence() const override {
    return path_.empty() ? peer_absence : Source::longest_absence();
  }
  int descriptor() const override { return fd_.get(); }

 protected:
  // What to send for more bytes, and how many those are; nothing, where they come by themselves.
  struct Question {
    Bytes bytes;
    std::size_t wanted = std::numeric_limits<std::size_t>::max();
  };
  virtual Question question() { return {}; }

 private:
  std::string name() const { return path_.empty() ? address_.text() : path_; }

  const std::string path_;
  const spec::Address address_;
  UniqueFd fd_;
  std::size_t expected_ = 0;  // bytes that were asked for and have not come
  std::optional<TimePoint> deadline_;
};

// Whether the socket of such a name is there.
inline std::function<void(spec::Obstacles&)> look_at_stream(const spec::Spec& spec) {
  if (spec.target.starts_with("//")) return {};
  return [path = spec.target](spec::Obstacles& found) { look_for(path, found); };
}

// Of a name: "//HOST:PORT" is TCP, anything else the path of a UNIX socket. `Kind`: a StreamSource.
// Throws Failure for what is neither.
template <typename Kind>
std::function<std::unique_ptr<Source>()> stream_maker(
    const spec::Spec& spec, std::optional<std::uint16_t> usual_port = std::nullopt) {
  if (!spec.target.starts_with("//")) {
    return [path = spec.target] { return std::make_unique<Kind>(path, spec::Address()); };
  }
  return [address = spec::require_address(spec, usual_port)] {
    return std::make_unique<Kind>("", address);
  };
}

}  // namespace qanat::sources
