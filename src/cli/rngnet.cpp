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
#include "cli/help/tree.h"
#include "cli/run_node.h"
#include "cli/usage.h"
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
  // Without a word nobody means to write into the kernel's pool what anybody may send.
  if (argc < 2) {
    fmt::print(stderr, "{}", app.help());
    return 2;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);
    return refuse_usage(app, e.what());
  }
  return -1;
}

constexpr const char* sender = "rngsend";
constexpr const char* receiver_name = "rngrecv";

void add_common(CLI::App& app, RngnetOptions& options) {
  help::use_for(app);
  app.set_version_flag("-V,--version", fmt::format("{} (qanat {})", app.get_name(), version()),
                       "Print the version, and exit");
  app.add_option("-p", options.port, "UDP port (default: 7751)")->type_name("PORT");
  app.add_option("-b", options.bytes, "Bytes of a datagram, the same at both ends (default: 512)")
      ->type_name("N")
      ->check(CLI::Range(rngnet::least_bytes, rngnet::most_bytes));
}

std::unique_ptr<CLI::App> send_options(RngnetOptions& options) {
  auto app = std::make_unique<CLI::App>(
      "Send what a random number generator gives to rngnet receivers, in turn", sender);
  app->add_option("host", options.hosts, "Receivers; each is HOST or HOST:PORT")->required();
  app->add_option("-d", options.device,
                  "Device, with options of a source: /dev/ttyUSB0?baud=115200")
      ->type_name("DEVICE")
      ->required();
  add_common(*app, options);
  app->add_option("--state", options.state, "State directory (default: one for each device)");
  return app;
}

std::unique_ptr<CLI::App> receive_options(RngnetOptions& options) {
  auto app = std::make_unique<CLI::App>("Write the datagrams of an rngnet sender to a device",
                                        receiver_name);
  app->add_option("-d", options.device, "Device or file to write to (default: /dev/urandom)")
      ->type_name("FILE");
  app->add_option("-a", options.address, "Address to listen on (default: all)")
      ->type_name("ADDRESS");
  add_common(*app, options);
  return app;
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
  const auto app = send_options(options);
  if (const int code = parse(*app, argc, argv); code >= 0) return code;
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
  const auto app = receive_options(options);
  if (const int code = parse(*app, argc, argv); code >= 0) return code;
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
  if (name == sender) return send;
  if (name == receiver_name) return receive;
  return {};
}

help::Command describe_rngnet_program(std::string_view name) {
  RngnetOptions options;
  return help::describe(*(name == sender ? send_options(options) : receive_options(options)));
}

}  // namespace qanat::cli
