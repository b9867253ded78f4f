#include "cli/rngnet.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "base/version.h"
#include "cli/control.h"
#include "cli/run_node.h"
#include "machine/daemon.h"
#include "machine/sandbox.h"
#include "peers/rngnet_receiver.h"

namespace qanat::cli {
namespace {

namespace rngnet = wire::rngnet;

struct RngnetOptions {
  std::string device;
  std::vector<std::string> hosts;
  std::uint16_t port = rngnet::usual_port;
  std::size_t bytes = rngnet::usual_bytes;
  std::string address = "*";
  std::string state;
};

// 0 for --help and --version, 2 for wrong usage; -1: go on.
int parse(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);
    fmt::print(stderr, "{}: {}\nTry '{} --help'.\n", app.get_name(), e.what(), app.get_name());
    return 2;
  }
  return -1;
}

void add_common(CLI::App& app, RngnetOptions& options) {
  app.set_version_flag("--version", fmt::format("{} (qanat {})", app.get_name(), version()));
  app.add_option("-p", options.port, "UDP port (7751)");
  app.add_option("-b", options.bytes, "Bytes of a datagram, the same at both ends (512)")
      ->check(CLI::Range(rngnet::least_bytes, rngnet::most_bytes));
}

// Of its own for each device: several may send from one machine.
std::string state_of(const std::string& device) {
  std::string name = device.substr(0, device.find('?'));
  std::replace(name.begin(), name.end(), '/', '-');
  return node::StateDir::default_path() + "/rngsend" + (name.starts_with('-') ? "" : "-") + name;
}

// A node with one source and one outlet: the device is tested, and what it gives conditioned.
int send(int argc, char** argv) {
  RngnetOptions options;
  CLI::App app("Sends what a random number generator gives to rngnet receivers, in turn",
               "rngsend");
  add_common(app, options);
  app.add_option("-d", options.device, "Device, with options of a source: /dev/ttyUSB0?baud=115200")
      ->required();
  app.add_option("host", options.hosts, "HOST or HOST:PORT")->required();
  app.add_option("--state", options.state, "State directory (one for each device)");
  if (const int code = parse(app, argc, argv); code >= 0) return code;
  std::string recipients;
  for (const std::string& host : options.hosts) {
    const auto address = spec::parse_address(host, options.port);
    if (!address) throw Failure(address.error().message);
    recipients += (recipients.empty() ? "" : ",") + address->text();
  }
  node::NodeSettings settings;
  settings.state_path = options.state.empty() ? state_of(options.device) : options.state;
  settings.config.sources = {"device:" + options.device};
  settings.config.outlets = {fmt::format("rngnet:{}?bytes={}&every=0s", recipients, options.bytes)};
  node::check_config(settings.config);
  return run_node(std::move(settings), {}, "");
}

int receive(int argc, char** argv) {
  RngnetOptions options;
  options.device = "/dev/urandom";
  CLI::App app("Writes the datagrams of an rngnet sender to a device", "rngrecv");
  add_common(app, options);
  app.add_option("-d", options.device, "Device or file to write to (/dev/urandom)");
  app.add_option("-a", options.address, "Address to listen on (all)");
  if (const int code = parse(app, argc, argv); code >= 0) return code;
  machine::prepare_process();
  // A file is made; a device that is not there is a mistake, and a file in its place fills memory.
  const int make = options.device.starts_with("/dev/") ? 0 : O_CREAT;
  const UniqueFd device(
      ::open(options.device.c_str(), O_WRONLY | make | O_APPEND | O_CLOEXEC, 0600));
  if (!device) throw Failure(with_errno("cannot open " + options.device, errno));
  peers::RngnetReceiver receiver({options.address, options.port}, options.bytes);
  const auto tell = [&receiver] {
    fmt::print("{}\n", receiver.stat_line());
    std::fflush(stdout);
  };
  // All is open that it needs: what a datagram might do to it goes no further.
  machine::confine({});
  const Waker waker;
  std::atomic<bool> stopping{false};
  std::atomic<bool> tell_now{false};
  std::string problem;
  std::thread worker([&] {
    const Clock clock;
    TimePoint tell_at = clock.now() + peers::RngnetReceiver::stat_interval;
    while (!stopping) {
      const auto datagram = receiver.receive(waker, tell_at);
      if (!datagram) waker.clear();
      if (tell_now.exchange(false) || clock.now() >= tell_at) {
        tell();
        tell_at = clock.now() + peers::RngnetReceiver::stat_interval;
      }
      if (!datagram || stopping) continue;
      if (auto written = write_all(device.get(), options.device, *datagram); !written) {
        problem = written.error().message;
        machine::nudge();
        return;
      }
      wipe(*datagram);
    }
  });
  for (bool running = true; running;) {
    switch (machine::wait_for_signal()) {
      case machine::Signal::stop:
        running = false;
        break;
      case machine::Signal::now:
      case machine::Signal::reload:
        running = problem.empty();
        tell_now = true;
        waker.wake();
        break;
      case machine::Signal::child:
      case machine::Signal::none:
        break;
    }
  }
  stopping = true;
  waker.wake();
  worker.join();
  if (!problem.empty()) throw Failure(problem);
  return 0;
}

}  // namespace

std::function<int(int, char**)> find_rngnet_program(std::string_view name) {
  if (name == "rngsend") return send;
  if (name == "rngrecv") return receive;
  return {};
}

}  // namespace qanat::cli
