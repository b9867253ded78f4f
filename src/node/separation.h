// The two processes of a node: this one, which reads what comes from a network and has no power,
// and its monitor. docs/architecture.md, Two processes.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "machine/sandbox.h"
#include "node/monitor_link.h"
#include "node/node.h"

namespace qanat::node {

// What a configuration names, for the monitor. Throws Failure for one that is not valid.
monitor::Grants grants_of(const NodeSettings& settings);

// What the start of a node of these settings would warn of (config_trust.h), or refuse to begin
// with, which is a Failure. Changes nothing.
std::string doubts_of_start(const NodeSettings& settings, const std::string& config_path);

// While it lives, this process is without powers, and its monitor has them.
class Separation {
 public:
  // What a node needs beside what its settings name.
  struct Around {
    std::string config_path;  // that it reads again; empty: none
    std::string account = machine::usual_account;
    // Of what may be asked for after a reload; called in the monitor. Empty: nothing changes.
    std::function<NodeSettings()> reread = {};
  };

  // Before there are threads. Makes the directories that the node writes to, and where the process
  // is root's, gives those that are its own to the account. Throws Failure.
  Separation(const NodeSettings& settings, Around around);

  // A line for the log: who this process is, and what holds it.
  std::string text() const;
  // What a person should change; empty: nothing.
  const std::string& warning() const { return warning_; }
  MonitorLink& monitor() { return *link_; }

 private:
  std::unique_ptr<MonitorLink> link_;
  machine::Confined confined_;
  std::string why_not_account_;
  std::string warning_;
};

}  // namespace qanat::node
