// An outlet of this machine, in a directory of its own.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "outlets/registry.h"
#include "support/eventually.h"
#include "support/temporary_directory.h"
#include "support/test_hub.h"

namespace qanat::outlets {

class LocalOutletTest : public testing::Test {
 protected:
  const test::TemporaryDirectory temporary_;
  const std::string directory_ = temporary_.path();

  std::unique_ptr<serve::Outlet> start(const std::string& text) {
    auto outlet = plan_outlet(text).make(hub_.all_services());
    outlet->start();
    return outlet;
  }
  std::string path(const char* name) const { return directory_ + "/" + name; }
  // One that is there, read by a reader of its own; whatever comes within a few seconds.
  std::size_t read_fifo(const char* name, std::size_t bytes) {
    UniqueFd fd;
    std::size_t done = 0;
    std::vector<std::uint8_t> got(bytes);
    (void)test::eventually([&] {
      if (!fd) fd = UniqueFd(::open(path(name).c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
      const ssize_t n = fd ? ::read(fd.get(), got.data() + done, bytes - done) : 0;
      if (n > 0) done += static_cast<std::size_t>(n);
      return done == bytes;
    });
    return done;
  }

  test::TestHub hub_;
};

}  // namespace qanat::outlets
