#include "sources/token/tpm.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

#include "base/library.h"
#include "sources/type.h"
#include "spec/options.h"
#include "wire/tpm.h"

#if defined(QANAT_TPM)
#include <tss2/tss2_rc.h>
#include <tss2/tss2_tctildr.h>
#endif

namespace qanat::sources {

using namespace std::chrono_literals;

namespace {

constexpr std::string_view device_prefix = "device:";
constexpr const char* resource_manager = "/dev/tpmrm0";

#if !defined(QANAT_TPM)

Result<void> tss_there() {
  return error("this qanat was built without tpm2-tss (package libtss2-dev)");
}

#else

struct Tss : Libraries {
  const Library tctildr = load("tss2-tctildr", 0);
  const Library rc = load("tss2-rc", 0);
  QANAT_FUNCTION(tctildr, Tss2_TctiLdr_Initialize);
  QANAT_FUNCTION(tctildr, Tss2_TctiLdr_Finalize);
  QANAT_FUNCTION(rc, Tss2_RC_Decode);
};
const Tss& tss() {
  static const Tss loaded;
  return loaded;
}

Result<void> tss_there() { return tss().there(); }

// The library writes what goes wrong to stderr, several lines a try. It asks the environment how
// much of it, which is only safe to be set while there is one thread: before main. An operator may
// set it otherwise.
[[maybe_unused]] const int quiet = ::setenv("TSS2_LOG", "all+none", 0);

// Of what a TPM refuses with, in the words of an operator. A resource manager in user space
// (tabrmd) adds its own layer to what it hands on.
tl::unexpected<Error> refusal(TSS2_RC code) {
  const TSS2_RC layer = code & TSS2_RC_LAYER_MASK;
  const bool own = layer == TSS2_TPM_RC_LAYER || layer == TSS2_RESMGR_TPM_RC_LAYER;
  switch (own ? code & ~TSS2_RC_LAYER_MASK : TPM2_RC_SUCCESS) {
    case TPM2_RC_FAILURE:
      return fault(
          "the TPM is in failure mode: its self-test has failed; restart the machine, and if that "
          "does not help it is broken");
    case TPM2_RC_INITIALIZE:
      return error(
          "the TPM has not been started (TPM2_Startup), which the firmware does, or swtpm with "
          "--flags startup-clear");
    case TPM2_RC_LOCKOUT:
      return error("the TPM is locked out: 'tpm2_dictionarylockout --clear-lockout' ends that");
    case TPM2_RC_TESTING:
    case TPM2_RC_RETRY:
    case TPM2_RC_YIELDED:
      return error("the TPM is busy, testing itself or with another program");
    default:
      return error(fmt::format("the TPM refuses: {}", tss().Tss2_RC_Decode(code)));
  }
}

// Over the library's connection, and without its upper layers: those (3.2.1) believe the length
// that an answer states also where it holds less, and give what their buffer held before.
class TpmSession final : public LibrarySession {
 public:
  explicit TpmSession(std::string tcti) : tcti_(std::move(tcti)) {}
  TpmSession(const TpmSession&) = delete;
  TpmSession& operator=(const TpmSession&) = delete;
  ~TpmSession() override {
    if (connection_ != nullptr) tss().Tss2_TctiLdr_Finalize(&connection_);
  }

  Result<void> open() override {
    if (const TSS2_RC problem = tss().Tss2_TctiLdr_Initialize(tcti_.c_str(), &connection_);
        problem != TSS2_RC_SUCCESS) {
      return error(fmt::format("cannot reach a TPM by {}: {}", tcti_, why_not(problem)));
    }
    keep_from_children();
    return {};
  }

  Result<std::size_t> read(MutableBytes out) override {
    const auto command = wire::tpm::get_random(static_cast<std::uint16_t>(out.size()));
    WipedArray<wire::tpm::most_answer> buffer;
    std::size_t size = buffer.size();
    TSS2_RC problem = Tss2_Tcti_Transmit(connection_, command.size(), command.data());
    if (problem == TSS2_RC_SUCCESS) {
      problem = Tss2_Tcti_Receive(connection_, &size, buffer.data(), TSS2_TCTI_TIMEOUT_BLOCK);
    }
    if (problem != TSS2_RC_SUCCESS) {
      return error(fmt::format("the TPM is lost: {}", tss().Tss2_RC_Decode(problem)));
    }
    const auto answer = wire::tpm::read_answer(buffer.view().first(std::min(size, buffer.size())));
    if (!answer) return error(fmt::format("the TPM gave nothing: {}", answer.error().message));
    if (answer->code != 0) return refusal(answer->code);
    const std::size_t n = std::min(answer->bytes.size(), out.size());
    std::copy_n(answer->bytes.begin(), n, out.begin());
    return n;
  }

 private:
  // The library says "IO error".
  std::string why_not(TSS2_RC problem) const {
    if (tcti_.starts_with(device_prefix)) {
      const std::string path = tcti_.substr(device_prefix.size());
      const UniqueFd fd(::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
      if (!fd) return with_errno("cannot open it", errno);
    }
    if (problem == TSS2_TCTI_RC_NOT_SUPPORTED) {
      return fmt::format("no library knows that way; its package would be libtss2-tcti-{}0",
                         tcti_.substr(0, tcti_.find(':')));
    }
    return fmt::format("{}; is it running, and may this user reach it?",
                       tss().Tss2_RC_Decode(problem));
  }

  // Nor a command that is started would let go of /dev/tpm0, which one at a time can have.
  void keep_from_children() {
    TSS2_TCTI_POLL_HANDLE handle{};
    std::size_t count = 1;
    if (Tss2_Tcti_GetPollHandles(connection_, &handle, &count) == 0 && count == 1) {
      ::fcntl(handle.fd, F_SETFD, FD_CLOEXEC);
    }
  }

  const std::string tcti_;
  TSS2_TCTI_CONTEXT* connection_ = nullptr;
};

#endif

// To the kernel's device, its daemon, or a program that is one. Not "cmd", whose library (3.2.1)
// writes as much into our buffer as the command's answer says that it is long, nor what wraps
// another.
constexpr std::array ways{"device", "tabrmd", "swtpm", "mssim"};

// Of "swtpm:path=SOCKET"; empty where it is none.
std::string socket_of(const std::string& tcti) {
  constexpr std::string_view beginning = "swtpm:path=";
  return tcti.starts_with(beginning) ? tcti.substr(beginning.size()) : "";
}

SourcePlan read_tpm(const spec::Spec& spec, entropy::Claim usual) {
  spec::require(spec, tss_there());
  const std::string tcti =
      spec.target.empty() ? std::string(device_prefix) + resource_manager : spec.target;
  const std::string way = tcti.substr(0, tcti.find(':'));
  if (std::find(ways.begin(), ways.end(), way) == ways.end()) {
    throw Failure(
        fmt::format("{}: '{}' is not a TCTI that qanat uses; write device:PATH, "
                    "tabrmd:bus_type=system, swtpm:path=SOCKET or mssim:host=H,port=P",
                    spec.text, way));
  }
  const bool program = way == "swtpm" || way == "mssim";
  const std::string path = tcti.starts_with(device_prefix) ? tcti.substr(device_prefix.size()) : "";
  const LibrarySource::Settings settings{.who = "the TPM",
                                         .piece = wire::tpm::most_bytes,
                                         .open_patience = 10s,
                                         .patience = 10s,
                                         .closed_at_rest = true,
                                         .path = path};
  return {.name = spec.text,
          .claim = spec::claim_of(spec, usual),
          .note = program
                      ? "a program in place of a TPM: its bytes are those of the kernel that it "
                        "runs on, and whoever may reach it may be one; claim what that is worth"
                      : "",
          .path = path,
          .make =
              [tcti, settings] {
                return std::make_unique<LibrarySource>([tcti] { return make_tpm_session(tcti); },
                                                       settings);
              },
          .look =
              [socket = socket_of(tcti)](spec::Obstacles& found) {
                if (!socket.empty()) look_for(socket, found);
              }};
}

Availability find_tpm() {
  if (::access(resource_manager, R_OK | W_OK) != 0) {
    return {false, with_errno(resource_manager, errno)};
  }
  const auto there = tss_there();
  return {there.has_value(), there ? resource_manager : there.error().message};
}

}  // namespace

std::unique_ptr<LibrarySession> make_tpm_session(const std::string& tcti) {
#if defined(QANAT_TPM)
  return std::make_unique<TpmSession>(tcti);
#else
  throw Failure(fmt::format("{}: {}", tcti, tss_there().error().message));
#endif
}

// What their makers certify is full entropy (8); half of it, as nobody can look inside. One that a
// host emulates is its host's word, as virtio-rng is.
//
// Patience: Linux gives TPM2_GetRandom 2 s, and waits as long for what another program asked
// before, which may be a key that takes a minute.
extern const SourceType tpm_type{
    .name = "tpm",
    .target = "[TCTI]",
    .usual = {4, true},
    .summary = "the generator of a TPM 2.0",
    .read = read_tpm,
    .available = find_tpm,
    .by_default = true,
};

}  // namespace qanat::sources
