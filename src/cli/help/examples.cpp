// What --help and the manual pages show for each command. A test holds the commands and options in
// it to those that there are.
#include <algorithm>
#include <array>

#include "cli/help/tree.h"

namespace qanat::cli::help {
namespace {

struct CommandExample {
  std::string_view words;
  Example example;
};

constexpr std::array all_examples{
    CommandExample{
        "qanat", {"A hub on this machine's own sources", "qanat serve --outlet 'https://*:7749'"}},
    CommandExample{
        "qanat", {"A client for it; prints the join string", "qanat invite router --rate 1KiB/s"}},
    CommandExample{"qanat",
                   {"On another machine: keep its kernel fed", "qanat feed @/etc/qanat/join"}},
    CommandExample{"qanat", {"See what the node does", "qanat status"}},

    CommandExample{"qanat serve",
                   {"All sources that are here, for this machine alone", "qanat serve"}},
    CommandExample{"qanat serve",
                   {"A hub for clients with a join string, seeds by UDP too",
                    "qanat serve --outlet 'https://*:7749' --outlet 'trickle://*:7749'"}},
    CommandExample{"qanat serve",
                   {"A generator on a serial line feeds this kernel",
                    "qanat serve --source 'device:/dev/ttyUSB0?baud=115200&h=6' --outlet kernel"}},
    CommandExample{"qanat serve",
                   {"Seeds for the virtual machines of this host",
                    "qanat serve --outlet 'vmport:/run/qanat/guests?mode=0660&group=kvm'"}},

    CommandExample{"qanat invite",
                   {"A client that is promised 1 KiB/s", "qanat invite router --rate 1KiB/s"}},
    CommandExample{
        "qanat invite",
        {"It reaches the node by this name", "qanat invite router --address hub.example.org:7749"}},
    CommandExample{"qanat invite",
                   {"A token for Prometheus", "qanat invite prometheus --observer"}},

    CommandExample{"qanat revoke", {"The router was stolen", "qanat revoke router"}},
    CommandExample{"qanat allow", {"It was found; then invite it again", "qanat allow router"}},

    CommandExample{"qanat clients", {"What each was promised and drew", "qanat clients"}},
    CommandExample{"qanat clients",
                   {"The names that are barred, as JSON", "qanat clients --revoked --json"}},

    CommandExample{"qanat feed",
                   {"With the join string in a file of mode 0600", "qanat feed @/etc/qanat/join"}},
    CommandExample{"qanat feed",
                   {"Two hubs must both have contributed",
                    "qanat feed @/etc/qanat/join1 @/etc/qanat/join2 --quorum 2"}},
    CommandExample{
        "qanat feed",
        {"In a guest, from its host", "qanat feed vmport:/dev/virtio-ports/org.qanat.0"}},
    CommandExample{
        "qanat feed",
        {"Once, as when a machine starts", "qanat feed @/etc/qanat/join --once --wait 10s"}},

    CommandExample{"qanat get",
                   {"32 bytes from the node of this machine", "qanat get 32 --format hex"}},
    CommandExample{"qanat get",
                   {"Full-entropy bytes from another node",
                    "qanat get 1KiB --grade full --from @/etc/qanat/join"}},
    CommandExample{"qanat get", {"A file of noise", "qanat get 100M >noise"}},

    CommandExample{"qanat seed",
                   {"For QEMU: -fw_cfg name=opt/org.qanat/seed,file=web1.seed",
                    "qanat seed --for-guest fw_cfg --output web1.seed"}},
    CommandExample{"qanat seed",
                   {"User data for a cloud image", "qanat seed --for-guest cloud-init >user-data"}},

    CommandExample{"qanat sources",
                   {"What this machine has, tried for a second each", "qanat sources"}},
    CommandExample{"qanat sources",
                   {"Every type, and why it is or is not available", "qanat sources --all"}},
    CommandExample{
        "qanat sources",
        {"One device, for longer", "qanat sources 'device:/dev/ttyACM0?model=onerng' --for 10s"}},
    CommandExample{"qanat sources",
                   {"Raw samples for an assessment",
                    "qanat sources --capture jitter --samples 1M --output jitter.bin"}},

    CommandExample{"qanat status", {"Of the nodes of this machine", "qanat status"}},
    CommandExample{"qanat status", {"For a script", "qanat status --json"}},
    CommandExample{"qanat status", {"One line for monitoring", "qanat status --check"}},

    CommandExample{"qanat top", {"Live, until q is pressed", "qanat top"}},
    CommandExample{"qanat top",
                   {"A picture a minute, into a file", "qanat top --every 60s --for 1h >day.txt"}},

    CommandExample{"qanat events", {"The last hundred", "qanat events"}},
    CommandExample{"qanat events",
                   {"Those to come, an object a line", "qanat events --follow --json"}},

    CommandExample{
        "qanat wait",
        {"Host keys, not before the first feed", "qanat wait --ready --for 30s && ssh-keygen -A"}},
    CommandExample{"qanat wait",
                   {"Until a feed with a directory of its own has fed",
                    "qanat wait --ready --state /var/lib/qanat/feed"}},

    CommandExample{"qanat alarm", {"Whether the alarms reach somebody", "qanat alarm test"}},
    CommandExample{"qanat alarm test", {"Those of the running node", "qanat alarm test"}},
    CommandExample{
        "qanat alarm test",
        {"Those of a file, before a node has it", "qanat alarm test --config ./qanat.toml"}},

    CommandExample{"qanat check", {"The file of this machine", "qanat check"}},
    CommandExample{"qanat check",
                   {"Another, before it is put there", "qanat check --config ./qanat.toml"}},

    CommandExample{"qanat doctor", {"All that is looked at, and what to do", "qanat doctor"}},
    CommandExample{
        "qanat doctor",
        {"Whether a hub lets this machine in; draws nothing", "qanat doctor @/etc/qanat/join"}},

    CommandExample{
        "qanat entropykey",
        {"A new key for the device on this line", "qanat entropykey set-key /dev/ttyACM0"}},
    CommandExample{"qanat entropykey set-key",
                   {"The device on this line; asks for its master key",
                    "qanat entropykey set-key /dev/ttyACM0"}},
    CommandExample{"qanat entropykey rekey",
                   {"The one that is plugged in", "qanat entropykey rekey"}},

    CommandExample{
        "qanat bench",
        {"How many seeds a second a hub gives", "qanat bench trickle @/etc/qanat/join --for 10s"}},
    CommandExample{"qanat bench trickle",
                   {"A thousand clients, 5000 questions a second",
                    "qanat bench trickle @/etc/qanat/join --clients 1000 --rate 5000"}},

    CommandExample{"qanat completion", {"For this shell, bash", "source <(qanat completion bash)"}},
    CommandExample{"qanat completion",
                   {"For all that zsh starts",
                    "qanat completion zsh >/usr/local/share/zsh/site-functions/_qanat"}},
    CommandExample{"qanat completion",
                   {"For fish", "qanat completion fish >~/.config/fish/completions/qanat.fish"}},

    CommandExample{"qanat help", {"What 'qanat serve --help' says", "qanat help serve"}},
    CommandExample{"qanat help", {"Of a command of a command", "qanat help bench trickle"}},
    CommandExample{"qanat version", {"With what it was built", "qanat version"}},

    CommandExample{"rngsend",
                   {"From a generator on a serial line, to two machines in turn",
                    "rngsend -d '/dev/ttyUSB0?baud=115200' alpha beta:7751"}},
    CommandExample{"rngrecv", {"Into the kernel's pool, uncredited", "rngrecv -d /dev/urandom"}},
};

}  // namespace

std::vector<Example> examples_of(std::string_view words) {
  std::vector<Example> found;
  for (const CommandExample& each : all_examples) {
    if (each.words == words) found.push_back(each.example);
  }
  return found;
}

}  // namespace qanat::cli::help
