#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <thread>

#include "sources/source_test.h"
#include "support/eventually.h"
#include "support/noise.h"

namespace qanat::sources {
namespace {

using test::eventually;

TEST_F(SourceTest, AnAbsentDeviceIsGoneAndFoundWhenItComes) {
  auto source = start("file:" + path("fifo"));
  EXPECT_TRUE(reaches(*source, "gone"));
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  std::thread writer([&] { write_file(path("fifo"), test::uniform(4096, 1)); });
  EXPECT_TRUE(eventually([&] { return dispenser_.report().total.credited > 0; }));
  writer.join();
  // Its writer has left: gone again, and back with the next.
  EXPECT_TRUE(reaches(*source, "gone"));
  const auto credited = dispenser_.report().total.credited;
  std::thread again([&] { write_file(path("fifo"), test::uniform(4096, 2)); });
  EXPECT_TRUE(eventually([&] { return dispenser_.report().total.credited > credited; }));
  again.join();
}

TEST_F(SourceTest, ASerialLineIsSetRawAndSurvivesBeingPulled) {
  int controller = -1;
  int line = -1;
  std::array<char, 256> name{};
  ASSERT_EQ(::openpty(&controller, &line, name.data(), nullptr, nullptr), 0);
  UniqueFd plug(controller);
  UniqueFd(line).reset();
  auto source = start(std::string("device:") + name.data() + "?baud=115200&h=8");
  // Bytes of all values: a cooked line would eat or change some. More than the tests need; the line
  // holds back what is not read yet.
  const auto noise = test::uniform(64 << 10, 1);
  ::fcntl(plug.get(), F_SETFL, O_NONBLOCK);
  std::size_t sent = 0;
  const auto send_until = [&](const auto& condition) {
    return eventually([&] {
      const ssize_t n =
          ::write(plug.get(), noise.data() + sent, std::min<std::size_t>(256, noise.size() - sent));
      if (n > 0) sent += static_cast<std::size_t>(n);
      return condition();
    });
  };
  EXPECT_TRUE(send_until([&] { return dispenser_.report().total.credited > 0; }));
  EXPECT_EQ(source->report().state, entropy::SourceState::healthy);
  {
    const UniqueFd look(::open(name.data(), O_RDONLY | O_NOCTTY | O_CLOEXEC));
    termios settings{};
    ASSERT_EQ(::tcgetattr(look.get(), &settings), 0);
    EXPECT_EQ(::cfgetospeed(&settings), static_cast<speed_t>(B115200));
    EXPECT_EQ(settings.c_lflag & (ICANON | ECHO), 0U);
    EXPECT_EQ(settings.c_cflag & (CSIZE | PARENB | CSTOPB), static_cast<tcflag_t>(CS8));
  }
  plug.reset();
  EXPECT_TRUE(reaches(*source, "gone"));
}

}  // namespace
}  // namespace qanat::sources
