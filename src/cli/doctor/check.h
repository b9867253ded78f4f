// What is wrong with a picture of this machine, and how to mend it. Pure: no file, no clock.
#pragma once

#include <vector>

#include "cli/doctor/finding.h"
#include "cli/doctor/picture.h"

namespace qanat::cli::doctor {

// The machine (check_machine.cpp).
Findings check(const Kernel& kernel);
Findings check(const HardwareRng& device);
Findings check(const Time& time);
Findings check(const Guest& guest);
// Daemons that do what qanat does, or hold what it opens.
Findings check(const std::vector<Process>& processes);

// What this account may do (check_account.cpp).
Findings check(const Account& account);
Findings check(const StateDirectory& state);

// The node and whom it asks (check_node.cpp).
Findings check(const Configuration& configuration);
Findings check(const Port& port);
Findings check(const Upstream& upstream);
Findings check(const RunningNode& node);

}  // namespace qanat::cli::doctor
