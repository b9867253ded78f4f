#include "sources/vmport.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "base/powers.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "entropy/drbg_pool.h"
#include "net/connect.h"
#include "sources/type.h"
#include "spec/options.h"

namespace qanat::sources {

namespace vmport = wire::vmport;
using entropy::SourceState;
using vmport::Kind;
using namespace std::chrono_literals;

namespace {

// After a link that was good the next try is at once; then so.
constexpr Duration port_backoff_base = 200ms;
constexpr Duration port_backoff_cap = 10s;
constexpr Duration port_connect_patience = 5s;
// The host answers within 10 s, or refuses.
constexpr Duration answer_patience = 30s;

// Never at once, whatever the host says, and not all guests of a host in the same moment.
constexpr Duration least_port_pause = 1s;
constexpr std::uint32_t longest_pause_seconds = 3600;
// So much is read before somebody else has a word: one that sends without end holds up no stop.
constexpr int most_reads = 64;

constexpr const char* twice = "the host sent the same seed twice: mixed in, not credited";

constexpr std::string_view ports_directory = "/dev/virtio-ports/";

// What udev would have made a link of.
std::string find_port(const std::string& path) {
  if (!path.starts_with(ports_directory) || ::access(path.c_str(), F_OK) == 0) return path;
  const std::string wanted = path.substr(ports_directory.size());
  std::error_code problem;
  for (const auto& port : std::filesystem::directory_iterator("/sys/class/virtio-ports", problem)) {
    const auto name = read_file((port.path() / "name").string());
    if (name && std::string_view(*name).substr(0, name->find('\n')) == wanted) {
      return "/dev/" + port.path().filename().string();
    }
  }
  return path;
}

bool is_socket(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode);
}

Result<UniqueFd> open_port(const std::string& path) {
  UniqueFd fd(open_file(path, O_RDWR | O_NONBLOCK));
  if (!fd && errno == EBUSY) return error(path + " is held by another program");
  if (!fd) return error(with_errno("cannot open " + path, errno));
  return fd;
}

}  // namespace

Vmport::Vmport(VmportSettings settings, const SourceServices& services)
    : settings_(std::move(settings)),
      services_(services),
      account_(services.dispenser.open_source(settings_.name)),
      reader_(vmport::host_frame_bytes),
      backoff_(port_backoff_base, port_backoff_cap, crypto::random_seed()),
      refused_(2 * least_port_pause, port_backoff_cap, crypto::random_seed(), least_port_pause),
      relay_(services.dispenser, services.key, account_,
             {.credit = settings_.credit, .own_use = services.seeds}),
      seed_(vmport::most_seed),
      state_(settings_.name, account_, services_) {}

Vmport::~Vmport() { request_stop(); }

void Vmport::start() {
  thread_.start([this] { run(); },
                [this](const std::string& why) {
                  link_.reset();
                  state_.set(SourceState::failed, why);
                },
                waker_, services_.clock);
}

void Vmport::request_stop() {
  thread_.request_stop();
  waker_.wake();
}

void Vmport::renew() {
  renew_ = true;
  waker_.wake();
}

void Vmport::run() {
  while (!thread_.stopping()) {
    if (auto opened = open(); !opened) {
      if (!opened.error().interrupted) state_.set(SourceState::gone, opened.error().message);
      pause(backoff_.next());
      continue;
    }
    heard_ = false;
    converse();
    link_.reset();
    // A reset is how a restore looks from within: the next connection brings the seed.
    if (!heard_) pause(backoff_.next());
  }
}

Result<void> Vmport::open() {
  const std::string path = find_port(settings_.path);
  is_port_ = !path.empty() && !is_socket(path);
  auto link = path.empty() ? net::connect_vsock(settings_.vsock, waker_, port_connect_patience)
              : is_port_   ? open_port(path)
                           : net::connect_unix(path);
  if (!link) return tl::unexpected(link.error());
  link_ = std::move(*link);
  watch_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{};
  // A port whose other end nobody holds hangs up for as long as it is so.
  event.events = EPOLLIN | EPOLLRDHUP | EPOLLET;
  if (!watch_ || ::epoll_ctl(watch_.get(), EPOLL_CTL_ADD, link_.get(), &event) != 0) {
    return error(with_errno("cannot watch " + settings_.name, errno));
  }
  asked_ = false;
  return {};
}

bool Vmport::wants() const {
  return services_.dispenser.demand() && services_.dispenser.wanted() > 0;
}

void Vmport::converse() {
  while (!thread_.stopping()) {
    const Heard heard = hear();
    if (thread_.stopping() || heard == Heard::lost) return;
    if (heard == Heard::more) continue;
    if (renew_.exchange(false)) {
      backoff_ = Backoff(port_backoff_base, port_backoff_cap, crypto::random_seed());
    }
    const TimePoint now = services_.clock.now();
    if (asked_ && now >= next_question_) {
      asked_ = false;
      state_.set(SourceState::gone,
                 fmt::format("the host has not answered for {:.0f} s", seconds(answer_patience)));
      // A port's other end may be held by one who sends fresh seeds only; a connection is made
      // anew.
      if (!is_port_) return;
    }
    bool wanted = heard == Heard::all && wants();
    if (wanted && !asked_ && now >= next_question_) {
      if (!ask()) return;
      next_question_ = now + answer_patience;
    }
    wanted = wanted || asked_;
    const auto rest =
        wanted ? std::optional(std::max<Duration>(next_question_ - now, 1ms)) : std::nullopt;
    if (wait_for(watch_.get(), POLLIN, waker_, rest) == Wake::woken) {
      waker_.clear();
      continue;
    }
    epoll_event event{};
    ::epoll_wait(watch_.get(), &event, 1, 0);
  }
}

// What is there.
Vmport::Heard Vmport::hear() {
  for (int reads = 0; reads < most_reads; ++reads) {
    const MutableBytes room = reader_.room();
    const ssize_t got = ::read(link_.get(), room.data(), room.size());
    if (got > 0) {
      reader_.received(static_cast<std::size_t>(got));
      for (Bytes frame = reader_.next(); !frame.empty(); frame = reader_.next()) {
        if (const auto decoded = vmport::decode_host(frame)) take(*decoded);
      }
      skipped_ = reader_.skipped();
      continue;
    }
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return Heard::all;
    const std::string why = got == 0 ? "nobody is at the host's end"
                                     : with_errno("cannot read from " + settings_.name, errno);
    state_.set(SourceState::gone, why);
    // A port stays, and the host may come back to it; a connection is over.
    if (got == 0 && is_port_) return Heard::nobody;
    return Heard::lost;
  }
  return Heard::more;
}

void Vmport::take(const vmport::HostFrame& frame) {
  heard_ = true;
  backoff_.reset();
  const TimePoint now = services_.clock.now();
  switch (frame.kind) {
    case Kind::fresh:
      // Who had asked is another connection's.
      asked_ = false;
      next_question_ = now;
      take_fresh(frame);
      return;
    case Kind::answer:
      asked_ = false;
      refused_.reset();
      // What counts nothing is only mixed in.
      next_question_ = relay_.worth(frame.seed.size(), frame.full) > 0
                           ? now
                           : now + entropy::Intake::idle_interval;
      take_answer(frame);
      return;
    case Kind::refusal:
      asked_ = false;
      next_question_ =
          now + std::chrono::seconds(std::min(frame.wait, longest_pause_seconds)) + refused_.next();
      return;
    case Kind::request:
      return;
  }
}

bool Vmport::came_before(Bytes seed) {
  const bool same = replay_.came_before(seed);
  state_.count_bytes(seed.size());
  if (same) state_.count_alarm();
  return same;
}

void Vmport::take_fresh(const vmport::HostFrame& frame) {
  const bool same = came_before(frame.seed);
  const std::size_t worth =
      settings_.credit && !same ? entropy::worth_to_this_machine(frame.seed.size(), frame.full) : 0;
  // It belongs to the renewal that it brings about, and to no later one.
  const entropy::Epoch brought = services_.dispenser.epoch() + 1;
  const bool taken =
      services_.on_fresh_seed(settings_.name + " brings a fresh seed: this machine may be a copy",
                              {account_, frame.seed, worth});
  if (same) {
    state_.set(SourceState::suspect, twice);
  } else if (taken) {
    state_.set(SourceState::healthy);
  } else {
    credit(frame, brought);
  }
}

void Vmport::take_answer(const vmport::HostFrame& frame) {
  if (came_before(frame.seed)) {
    relay_.reject(frame.seed);
    state_.set(SourceState::suspect, twice);
    return;
  }
  credit(frame, asked_in_);
}

void Vmport::credit(const vmport::HostFrame& frame, entropy::Epoch epoch) {
  const MutableBytes seed = seed_.view().first(frame.seed.size());
  std::copy(frame.seed.begin(), frame.seed.end(), seed.begin());
  // Local state last: the host has committed itself.
  WipedArray<TimingNoise::local_bytes> local;
  noise_.fill_with_times(local.view());
  const auto outcome = relay_.credit(seed, frame.full, local.view(), epoch, services_.clock.now());
  wipe(seed);
  if (outcome == entropy::Relay::Outcome::outdated) {
    state_.count_outdated(frame.seed.size());
  } else {
    state_.set(SourceState::healthy);
  }
}

// False when the link takes no questions any more.
bool Vmport::ask() {
  asked_in_ = services_.dispenser.epoch();
  // A seed of grade drbg is worth passing on to nobody else.
  const auto frame =
      vmport::encode(vmport::GuestFrame{++question_, vmport::most_seed, !services_.seeds});
  const ssize_t sent = ::write(link_.get(), frame.data(), frame.size());
  asked_ = true;
  if (sent == static_cast<ssize_t>(frame.size()) || (sent < 0 && errno == EAGAIN)) return true;
  state_.set(SourceState::gone,
             with_errno(settings_.name + " takes no questions", sent < 0 ? errno : EPIPE));
  return false;
}

void Vmport::pause(Duration duration) {
  thread_.pause(duration, waker_, services_.clock, [this] { return renew_.exchange(false); });
}

observe::SourceReport Vmport::report() const {
  observe::SourceReport report = state_.report();
  report.credit = settings_.credit;
  report.dropped["no_frame"] = skipped_;
  return report;
}

namespace {

// What the host says: it could read the guest's memory anyway. Another CID is whoever answers.
VmportSettings read_settings(const spec::Spec& spec) {
  VmportSettings settings;
  settings.name = spec.text;
  if (spec.type == "vmport") {
    settings.path = spec.target;
  } else {
    const auto address = spec::parse_vsock_address(spec.target);
    if (!address) throw Failure(fmt::format("{}: {}", spec.text, address.error().message));
    settings.vsock = *address;
  }
  const bool host = !settings.path.empty() || settings.vsock.cid == spec::VsockAddress::host_cid;
  settings.credit = spec::yes_or_no(spec, "credit", host);
  return settings;
}

// What comes is conditioned already: no claim can be made of it but whether it counts.
SourcePlan read_vmport(const spec::Spec& spec, entropy::Claim usual) {
  (void)spec::claim_of(spec, usual);  // what is written must be understood all the same
  VmportSettings settings = read_settings(spec);
  return {.name = spec.text,
          .claim = {usual.h, settings.credit},
          .note = spec.type == "vsock" ? "any program of the host may listen on a port of 1024 or "
                                         "more, and only root's below"
                                       : "",
          .path = settings.path,
          .other_path = find_port(settings.path),
          .run =
              [settings](const SourceServices& services) {
                return std::make_unique<Vmport>(settings, services);
              },
          .look =
              [path = settings.path](spec::Obstacles& found) {
                if (!path.empty()) look_for(find_port(path), found);
              }};
}

}  // namespace

extern const SourceType vmport_type{
    .name = "vmport",
    .target = "PATH",
    .usual = {8, true},
    .summary = "seeds of the host's, in a guest: a virtio-serial port",
    .read = read_vmport,
    .host_seed = true,
};
extern const SourceType vsock_type{
    .name = "vsock",
    .target = "CID:PORT",
    .usual = {8, true},
    .summary = "the same, from CID:PORT; the host is CID 2",
    .read = read_vmport,
    .host_seed = true,
};

}  // namespace qanat::sources
