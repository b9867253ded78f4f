// The headers that take long to parse, precompiled for the subcommands.
#pragma once

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
