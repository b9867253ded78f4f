// Commands that give what the kernel's generator gives, under another name.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

namespace qanat::sources {

// Why what a shell command prints is nobody's new entropy, as far as its words tell: it names the
// kernel's generator (by a device's number, whatever the path), runs a program that is nothing but
// a generator seeded from there, or asks a node of ours. Empty where nothing tells. Nobody can see
// through a command: it is the simple cases.
std::string lookalike_in(std::string_view command);

// The same of what runs: a process of this group has the kernel's generator open for reading now.
// What a process asks by getrandom(2), and what one of another user or another group has open,
// cannot be seen. `group`: of ShellCommand; -1 is none.
std::string lookalike_of_group(pid_t group);

}  // namespace qanat::sources
