// The headers that take long to parse, precompiled for the layers that do I/O.
#pragma once

#include <boost/asio.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/beast/http.hpp>
#include <boost/json.hpp>
