#include "sources/netrng.h"

#include <fmt/core.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "net/connect.h"
#include "net/discover_mdns.h"
#include "sources/type.h"
#include "spec/options.h"
#include "wire/netrng.h"

namespace qanat::sources {

namespace netrng = wire::netrng;
using netrng::Side;
using netrng::Verb;
using wire::Status;
using namespace std::chrono_literals;

namespace {

constexpr Duration connect_patience = 10s;
// The original's clients give up after 2 s; but a full server answers nobody until a place is free.
constexpr Duration patience = 10s;
constexpr std::string_view any_server = "_netrng._tcp.local";

}  // namespace

Result<void> Netrng::open(const Waker& stop) {
  stop_ = &stop;
  deadline_.reset();
  if (inbox_.empty()) {
    inbox_ = SecretBytes(netrng::most_reply);
    sample_ = SecretBytes(netrng::most_sample);
  }
  return connect();
}

void Netrng::close() {
  fd_.reset();
  received_ = 0;
  sample_at_ = sample_size_ = 0;
  asked_ = false;
}

Result<void> Netrng::connect() {
  close();
  spec::Address at = address_;
  if (at.host == any_server) {
    const auto places = net::discover_mdns("_netrng._tcp", *stop_);
    if (!places) return tl::unexpected(places.error());
    at = places->front().address;
  }
  auto fd = net::connect_tcp(at, *stop_, connect_patience);
  if (!fd) return tl::unexpected(fd.error());
  fd_ = std::move(*fd);
  return {};
}

bool Netrng::hung_up() const {
  pollfd state{fd_.get(), POLLRDHUP, 0};
  return !fd_ || (::poll(&state, 1, 0) == 1 && state.revents != 0);
}

Result<void> Netrng::ask() {
  // As it does to one that was idle for 3 s.
  if (hung_up()) {
    if (auto connected = connect(); !connected) return connected;
  }
  const auto question = encode(Side::client, Verb::sample);
  if (::send(fd_.get(), question.data(), question.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(question.size())) {
    return error(with_errno("cannot ask " + address_.text(), errno));
  }
  asked_ = true;
  asked_at_ = clock_.now();
  return {};
}

Result<std::size_t> Netrng::read(MutableBytes out, const Waker& waker) {
  for (;;) {
    if (sample_at_ < sample_size_) {
      const MutableBytes rest = sample_.view().subspan(sample_at_, sample_size_ - sample_at_);
      const std::size_t n = std::min(out.size(), rest.size());
      std::copy_n(rest.begin(), n, out.begin());
      wipe(rest.first(n));
      sample_at_ += n;
      return n;
    }
    if (!asked_) {
      if (auto asked = ask(); !asked) return tl::unexpected(asked.error());
    }
    netrng::Message message;
    std::size_t used = 0;
    const MutableBytes in = inbox_.view().first(received_);
    switch (decode(Side::server, in, netrng::most_reply, message, used)) {
      case Status::malformed:
        return error(address_.text() + " sends what is not a NetRNG message");
      case Status::complete:
        std::copy(message.sample.begin(), message.sample.end(), sample_.view().begin());
        sample_at_ = 0;
        sample_size_ = message.sample.size();
        std::copy(in.begin() + static_cast<std::ptrdiff_t>(used), in.end(), in.begin());
        wipe(in.last(used));
        received_ -= used;
        asked_ = message.verb != Verb::sample && asked_;
        continue;
      case Status::incomplete:
        break;
    }
    const TimePoint now = clock_.now();
    if (deadline_ && now >= *deadline_) {
      return error(fmt::format("{} is too slow: it took more than {:.0f} s for 512 bytes",
                               address_.text(), seconds(peer_patience)));
    }
    // The whole of a sample: a byte now and then is no answer.
    Duration left = patience - (now - asked_at_);
    if (left <= Duration::zero()) return error(address_.text() + " does not answer");
    if (deadline_) left = std::min(left, *deadline_ - now);
    if (wait_for(fd_.get(), POLLIN, waker, left) == Wake::woken) return std::size_t{0};
    const MutableBytes room = inbox_.view().subspan(received_);
    const ssize_t n = ::recv(fd_.get(), room.data(), room.size(), 0);
    if (n > 0) {
      received_ += static_cast<std::size_t>(n);
    } else if (n == 0) {
      return error(address_.text() + " closed the connection");
    } else if (errno != EINTR && errno != EAGAIN) {
      return error(with_errno("cannot read from " + address_.text(), errno));
    }
  }
}

namespace {

SourcePlan read_netrng(const spec::Spec& spec, entropy::Claim usual) {
  const spec::Address address = spec::require_address(spec, netrng::usual_port);
  return {.name = spec.text,
          .claim = spec::claim_of(spec, usual),
          .note = std::string(unauthenticated),
          .make = [address] { return std::make_unique<Netrng>(address); },
          .look =
              [name = spec.text, address](spec::Obstacles& found) {
                if (address.host != any_server) return;
                if (const auto possible = net::mdns(); !possible) {
                  found.push_back({fmt::format("{}: {}", name, possible.error().message)});
                }
              }};
}

}  // namespace

extern const SourceType netrng_type{
    .name = "netrng",
    .target = "//HOST:PORT",
    .usual = {4, false},
    .summary = "a NetRNG server: //HOST:8989; credited 0",
    .read = read_netrng,
};

}  // namespace qanat::sources
