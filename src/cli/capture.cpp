#include "cli/capture.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <csignal>
#include <thread>

#include "assess/estimators.h"
#include "base/files.h"
#include "base/quantity.h"
#include "base/shown.h"
#include "base/version.h"
#include "cli/progress.h"
#include "crypto/hash.h"
#include "sources/registry.h"
#include "sources/source.h"

namespace qanat::cli {
namespace {

// For the estimate: as many samples as SP 800-90B asks for, and no more memory than that.
constexpr std::size_t most_estimated = 1'000'000;
constexpr std::size_t few = 1024;

double processor_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto whole = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return whole(used.ru_utime) + whole(used.ru_stime);
}

// "AMD EPYC": the first "model name" of /proc/cpuinfo, or what other architectures have there.
std::string processor() {
  const auto text = read_file("/proc/cpuinfo");
  if (!text) return "";
  for (const std::string_view key : {"model name", "cpu\t", "uarch", "CPU part"}) {
    const std::size_t at = text->find(key);
    if (at == std::string::npos) continue;
    const std::size_t colon = text->find(": ", at);
    if (colon == std::string::npos) continue;
    return text->substr(colon + 2, text->find('\n', colon) - colon - 2);
  }
  return "";
}

// What ^C and SIGTERM wake, while there is a capture: what it has by then is kept and described.
const Waker* ended_by_signal = nullptr;
void on_signal(int /*which*/) { ended_by_signal->wake(); }

class EndedBySignals {
 public:
  EndedBySignals() {
    ended_by_signal = &waker_;
    struct sigaction action {};
    action.sa_handler = on_signal;
    for (const int which : {SIGINT, SIGTERM}) ::sigaction(which, &action, nullptr);
  }
  const Waker& waker() const { return waker_; }

 private:
  // Outlives the handlers: the process ends with the capture.
  const Waker waker_;
};

// One capture under way.
class Recording {
 public:
  explicit Recording(const Capture& wanted)
      : wanted_(wanted), described_(sources::describe_source(wanted.source)) {
    file_ = UniqueFd(
        ::open(wanted.output.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0600));
    if (!file_ && errno == EEXIST) {
      throw Failure(wanted.output + " is there already: delete it, or name another --output");
    }
    if (!file_) throw Failure(with_errno("cannot make " + wanted.output, errno));
    struct stat info {};
    if (::lstat((wanted.output + ".json").c_str(), &info) == 0) {
      ::unlink(wanted.output.c_str());
      throw Failure(wanted.output + ".json is there already: delete it, or name another --output");
    }
    kept_.reserve(std::min<std::uint64_t>(wanted.samples, most_estimated));
  }

  void take() {
    const std::uint64_t rows = std::max<std::uint64_t>(wanted_.restarts, 1);
    Progress progress(wanted_.samples, true);
    for (std::uint64_t row = 0; row < rows; ++row) take_row(wanted_.samples / rows, progress);
    complete_ = true;
  }
  // What there is: of a whole capture, or of one that has ended early.
  void describe() const;
  const std::string& name() const { return described_.name; }
  std::uint64_t taken() const { return taken_; }
  double estimate() const { return std::max(0.0, assess::min_entropy(kept_)); }

 private:
  void take_row(std::uint64_t length, Progress& progress) {
    const auto source = sources::make_probe(wanted_.source);
    if (auto opened = source->open(signals_.waker()); !opened) {
      throw Failure(opened.error().message);
    }
    // In pieces that a slow source fills soon: what was read is in the file whenever it ends.
    std::array<std::uint8_t, 256> block{};
    while (length > 0) {
      const auto got =
          source->read(MutableBytes(block).first(std::min<std::uint64_t>(length, block.size())),
                       signals_.waker());
      if (!got) throw Failure(got.error().message);
      if (signals_.waker().is_woken()) throw Failure("interrupted");
      const Bytes samples = Bytes(block).first(*got);
      if (auto written = write_all(file_.get(), wanted_.output, samples); !written) {
        throw Failure(written.error().message);
      }
      digest_.update(samples);
      const std::size_t room = most_estimated - kept_.size();
      kept_.insert(kept_.end(), samples.begin(),
                   samples.begin() + static_cast<std::ptrdiff_t>(std::min(room, samples.size())));
      taken_ += samples.size();
      length -= samples.size();
      progress.add(samples.size());
    }
    source->close();
  }

  const Capture& wanted_;
  const sources::SourceDescription described_;
  const EndedBySignals signals_;
  UniqueFd file_;
  mutable crypto::Sha512 digest_;
  std::vector<std::uint8_t> kept_;
  std::uint64_t taken_ = 0;
  bool complete_ = false;
  const TimePoint begun_ = Clock().now();
  const double processor_begun_ = processor_seconds();
  const std::time_t time_ = std::time(nullptr);
};

void Recording::describe() const {
  const double took = seconds(Clock().now() - begun_);
  std::array<std::uint8_t, crypto::Sha512::output_bytes> digest{};
  digest_.finish(digest);
  utsname machine{};
  ::uname(&machine);
  boost::json::object document{
      {"source", described_.name},
      {"settings", {{"h", described_.h}, {"credit", described_.credit}, {"note", described_.note}}},
      {"file", shown(wanted_.output.substr(wanted_.output.rfind('/') + 1))},
      {"sha512", to_hex(digest)},
      {"samples", taken_},
      {"complete", complete_},
      {"bits_per_sample", 8},
      {"seconds", took},
      {"samples_per_second", static_cast<double>(taken_) / std::max(took, 1e-9)},
      {"processor_seconds", processor_seconds() - processor_begun_},
      {"estimate", estimate()},
      {"time", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(time_))},
      {"kernel", fmt::format("{} {} {}", machine.sysname, machine.release, machine.version)},
      {"machine",
       {{"name", machine.nodename},
        {"architecture", machine.machine},
        {"processor", processor()},
        {"processors", std::thread::hardware_concurrency()}}},
      {"qanat", version()}};
  if (wanted_.restarts > 0) {
    document["restarts"] = wanted_.restarts;
    document["samples_per_restart"] = wanted_.samples / wanted_.restarts;
  }
  const std::string text = boost::json::serialize(document) + "\n";
  if (auto written = replace_file(wanted_.output + ".json", as_bytes(text), 0644); !written) {
    throw Failure(written.error().message);
  }
}

}  // namespace

void capture(const Capture& wanted) {
  Recording recording(wanted);
  try {
    recording.take();
  } catch (const Failure& problem) {
    if (recording.taken() == 0) {
      ::unlink(wanted.output.c_str());
      throw;
    }
    try {
      recording.describe();
    } catch (const Failure&) {
      // As the first says more: a full disk, mostly.
    }
    throw Failure(fmt::format("{}; {} of {} samples are in {}", problem.what(), recording.taken(),
                              wanted.samples, wanted.output));
  }
  recording.describe();
  fmt::print("{} samples of {}{} in {}, and how they were taken in {}.json.\n", recording.taken(),
             recording.name(),
             wanted.restarts > 0 ? fmt::format(", {} after each of {} restarts,",
                                               wanted.samples / wanted.restarts, wanted.restarts)
                                 : "",
             wanted.output, wanted.output);
  if (recording.taken() < few) {
    fmt::print("They are too few for an estimate.\n");
    return;
  }
  fmt::print("The least of four estimates after SP 800-90B 6.3: {:.2f} bits a sample.\n",
             recording.estimate());
}

}  // namespace qanat::cli
