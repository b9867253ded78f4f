#include "cli/doctor/check.h"

#include <gtest/gtest.h>

namespace qanat::cli::doctor {
namespace {

// The worst of them, with what it says and what to do, in one text.
Level worst(const Findings& findings) {
  Level level = Level::ok;
  for (const Finding& finding : findings) level = std::max(level, finding.level);
  return level;
}
std::string all(const Findings& findings) {
  std::string text;
  for (const Finding& finding : findings) text += finding.text + " -> " + finding.remedy + "\n";
  return text;
}
// What is not as it should be has a remedy, and what is has none.
void expect(const Findings& findings, Level level, const std::string& words) {
  EXPECT_EQ(worst(findings), level) << all(findings);
  EXPECT_NE(all(findings).find(words), std::string::npos) << words << " in " << all(findings);
  for (const Finding& finding : findings) {
    EXPECT_EQ(finding.remedy.empty(), finding.level == Level::ok) << finding.text;
    EXPECT_FALSE(finding.subject.empty());
  }
}

TEST(Doctor, KernelsByVersionAndTheirGenerator) {
  const Kernel good{.release = "6.10.3-amd64", .landlock = 5, .seccomp = true};
  expect(check(good), Level::ok, "Landlock 5");
  Kernel kernel = good;
  kernel.release = "5.10.0-28-amd64";
  expect(check(kernel), Level::note, "copied");
  kernel.release = "5.4.0";
  expect(check(kernel), Level::warn, "wait for ever");
  kernel.release = "nonsense";
  expect(check(kernel), Level::warn, "nonsense");
  kernel = good;
  kernel.landlock = 0;
  expect(check(kernel), Level::note, "no Landlock");
  kernel.initialised = false;
  expect(check(kernel), Level::fail, "qanat feed");
}

TEST(Doctor, HardwareThatIsThereButCannotBeRead) {
  expect(check(HardwareRng{}), Level::note, "drives none");
  HardwareRng device{.interface = true, .current = "virtio_rng.0", .unreadable = {}};
  expect(check(device), Level::ok, "virtio_rng.0");
  device.unreadable = "/dev/hwrng: Permission denied";
  expect(check(device), Level::warn, "60-qanat.rules");
  device.current = "none";
  expect(check(device), Level::note, "drives none");
}

TEST(Doctor, ClocksThatAreWrongJumpOrRunFree) {
  const Time good{.wall = 1'800'000'000, .synchronised = true};
  expect(check(good), Level::ok, "synchronised");
  Time time = good;
  time.synchronised = false;
  expect(check(time), Level::warn, "time daemon");
  time.jump = -3;
  expect(check(time), Level::warn, "-3.0 s");
  time.wall = 86400;
  expect(check(time), Level::fail, "certificate");
}

TEST(Doctor, GuestsAndHowTheirCopiesAreNoticed) {
  EXPECT_TRUE(check(Guest{}).empty());
  Guest guest{.virtual_machine = true, .maker = "QEMU", .ports = {}};
  expect(check(guest), Level::note, "clocks alone");
  guest.generation_device = true;
  expect(check(guest), Level::warn, "CONFIG_VMGENID");
  guest.ports = {"org.qanat.0"};
  expect(check(guest), Level::ok, "port org.qanat.0");
  guest = {
      .virtual_machine = true, .generation_device = true, .generation_driver = true, .ports = {}};
  expect(check(guest), Level::ok, "vmgenid");
}

TEST(Doctor, DaemonsThatCompete) {
  expect(check(std::vector<Process>{{1, "systemd"}, {7, "rngdx"}}), Level::ok, "none");
  expect(check(std::vector<Process>{{7, "rngd"}}), Level::note, "rngd (pid 7)");
  expect(check(std::vector<Process>{{7, "haveged"}, {8, "ekeyd"}}), Level::warn, "ekeyd (pid 8)");
}

TEST(Doctor, WhatAnAccountMayDo) {
  Account account{.name = "root",
                  .root = true,
                  .may_credit = true,
                  .descriptors = 65536,
                  .locked_bytes = UINT64_MAX};
  expect(check(account), Level::ok, "may credit");
  account.separate = false;
  expect(check(account), Level::note, "no account 'qanat'");
  account.may_credit = false;
  expect(check(account), Level::warn, "without CAP_SYS_ADMIN");
  account.root = false;
  account.name = "alice";
  expect(check(account), Level::note, "account alice");
  account.descriptors = 1024;
  expect(check(account), Level::warn, "LimitNOFILE");
  account.descriptors = 65536;
  account.locked_bytes = 0;
  expect(check(account), Level::warn, "LimitMEMLOCK");
}

TEST(Doctor, StateDirectories) {
  const StateDirectory good{.path = "/var/lib/qanat",
                            .owner = "qanat",
                            .problem = {},
                            .there = true,
                            .writable = true,
                            .free_bytes = 1 << 30};
  expect(check(good), Level::ok, "1 GiB free");
  StateDirectory state = good;
  state.free_bytes = 4096;
  expect(check(state), Level::fail, "make room");
  state = good;
  state.read_only = true;
  expect(check(state), Level::fail, "read-only");
  state = good;
  state.writable = false;
  expect(check(state), Level::note, "cannot write it");
  state.visible = false;
  expect(check(state), Level::note, "sudo -u qanat");
  state = good;
  state.there = false;
  expect(check(state), Level::note, "not there yet");
  state.problem = "can be written by others";
  expect(check(state), Level::fail, "can be written by others");
}

TEST(Doctor, ConfigurationsPortsAndUpstreams) {
  expect(check(Configuration{}), Level::ok, "defaults");
  Configuration configuration;
  configuration.path = "/etc/qanat/qanat.toml";
  configuration.warnings = {"nobody can draw"};
  expect(check(configuration), Level::warn, "nobody can draw");
  configuration.warnings.clear();
  configuration.absent = {"hwrng (no such device)"};
  expect(check(configuration), Level::warn, "hwrng (no such device)");
  configuration.wrong = {"/etc/qanat/qanat.toml:3:1: unknown key", "other"};
  expect(check(configuration), Level::fail, ":3:1");
  expect(check(configuration), Level::fail, "other");

  Port port{.place = "tcp 127.0.0.1:7748", .holder = {}};
  expect(check(port), Level::ok, "free");
  port.holder = "?";
  expect(check(port), Level::note, "another account");
  port.holder = "nginx";
  port.pid = 9;
  expect(check(port), Level::fail, "nginx (pid 9)");
  port.holder = "qanat-thief";
  expect(check(port), Level::fail, "qanat-thief (pid 9)");
  port.is_node = true;
  expect(check(port), Level::ok, "(pid 9)");

  using Trouble = Upstream::Trouble;
  Upstream upstream{.name = "https://hub:7749 as router", .problem = {}};
  expect(check(upstream), Level::ok, "answers");
  upstream.problem = "why";
  for (const auto& [trouble, level, words] :
       {std::tuple{Trouble::unreadable, Level::note, "sudo"},
        std::tuple{Trouble::unreachable, Level::fail, "firewall"},
        std::tuple{Trouble::distrusted, Level::fail, "invite"},
        std::tuple{Trouble::refused, Level::fail, "join string"},
        std::tuple{Trouble::slow, Level::warn, "qanat status"}}) {
    upstream.trouble = trouble;
    expect(check(upstream), level, words);
    expect(check(upstream), level, "https://hub:7749 as router: why");
  }
}

TEST(Doctor, NodesSayHowTheyAre) {
  RunningNode node{
      .state = "/s", .problem = {}, .role = "hub", .level = "good", .text = "All is well."};
  expect(check(node), Level::ok, "All is well.");
  node.level = "warning";
  node.hint = "Mend it.";
  expect(check(node), Level::warn, "Mend it.");
  node.level = "bad";
  node.hint.clear();
  expect(check(node), Level::fail, "qanat status");
  node.problem = "permission denied";
  expect(check(node), Level::warn, "permission denied");
}

}  // namespace
}  // namespace qanat::cli::doctor
