#include "observe/verdict.h"

#include <gtest/gtest.h>

namespace qanat::observe {
namespace {

using namespace std::chrono_literals;
using Level = Verdict::Level;

class VerdictTest : public testing::Test {
 protected:
  VerdictTest() {
    report_.role = "hub";
    report_.uptime = 100;
    report_.ready = true;
    report_.time_ms = 1'800'000'000'000;
    report_.dispenser.target = report_.dispenser.fill = 4096;
    SourceReport jitter;
    jitter.name = "jitter";
    jitter.state = entropy::SourceState::healthy;
    report_.sources = {jitter, jitter};
    report_.sources[1].name = "hwrng";
    report_.outlets.resize(1);
    report_.outlets[0].name = "http://127.0.0.1:7748";
  }
  Verdict said() const { return verdict_of(report_); }

  NodeReport report_;
};

TEST_F(VerdictTest, AllIsWell) {
  EXPECT_EQ(said().level, Level::good);
  EXPECT_EQ(said().text, "All is well: 2 sources deliver, and the reserve holds 4 KiB of 4 KiB.");
  EXPECT_EQ(said().hint, "");
}

TEST_F(VerdictTest, ASourceThatIsGoneIsNamedOnce) {
  report_.sources[1].state = entropy::SourceState::gone;
  report_.sources[1].detail = "gone: unplugged";
  EXPECT_EQ(said().level, Level::warning);
  EXPECT_EQ(said().text, "Source 'hwrng' is gone: unplugged.");
  EXPECT_NE(said().hint, "");
}

TEST_F(VerdictTest, WithoutAnySourceItIsBad) {
  for (auto& source : report_.sources) source.state = entropy::SourceState::failed;
  EXPECT_EQ(said().level, Level::bad);
  EXPECT_EQ(said().text, "No source delivers. Source 'jitter' has failed.");
  report_.sources.clear();
  EXPECT_EQ(said().level, Level::bad);
}

TEST_F(VerdictTest, AStartIsNoFault) {
  report_.uptime = 2;
  report_.ready = false;
  for (auto& source : report_.sources) source.state = entropy::SourceState::start_up;
  EXPECT_EQ(said().level, Level::warning);
  EXPECT_EQ(said().text, "The sources are in their start-up tests.");
  report_.uptime = 60;
  EXPECT_EQ(said().level, Level::bad);
}

TEST_F(VerdictTest, SuspendedGuaranteesOutletsAndCertificatesAreTold) {
  report_.outlets[0].certificate_until = report_.time_ms / 1000 + 86400;
  EXPECT_EQ(said().text, "The certificate of 'http://127.0.0.1:7748' ends in 1 d 0 h.");
  report_.outlets[0].problem = "the disk is full";
  EXPECT_EQ(said().text, "Outlet 'http://127.0.0.1:7748': the disk is full.");
  report_.dispenser.suspended = 100;
  report_.dispenser.supply = 10;
  EXPECT_EQ(said().text, "Guarantees of 100 B/s are suspended: the sources prove 10 B/s.");
}

TEST_F(VerdictTest, AFeedThatMissesThreeIntervalsHasFailed) {
  report_.role = "feed";
  report_.outlets[0].name = "kernel";
  report_.outlets[0].schedule = {
      .last = report_.time_ms / 1000 - 180, .next = 0, .every = 60, .credited_bits = 512};
  EXPECT_EQ(said().level, Level::good);
  report_.outlets[0].schedule->last -= 1;
  EXPECT_EQ(said().level, Level::bad);
  EXPECT_EQ(said().text, "'kernel' was last fed 3 min 1 s ago.");
  report_.outlets[0].problem = "RNDADDENTROPY: Input/output error";
  EXPECT_EQ(said().text, "'kernel' was last fed 3 min 1 s ago: RNDADDENTROPY: Input/output error.");
  // As fast as somebody reads.
  report_.outlets[0].schedule->every = 0;
  EXPECT_EQ(said().level, Level::warning);
}

TEST_F(VerdictTest, AThreadThatStandsStillIsTheWorst) {
  report_.sources[0].state = entropy::SourceState::failed;
  report_.now = TimePoint(1h);
  report_.threads = {{"io-0", report_.now - 9s, true}};
  EXPECT_EQ(said().level, Level::bad);
  EXPECT_EQ(said().text, "Thread 'io-0' has stood still for 9.0 s.");
}

TEST_F(VerdictTest, NamesActOnNoTerminal) {
  report_.sources[0].name = "file:/x\x1b[2J\n";
  report_.sources[0].state = entropy::SourceState::failed;
  EXPECT_EQ(said().text.find('\x1b'), std::string::npos);
  EXPECT_EQ(said().text.find('\n'), std::string::npos);
}

TEST_F(VerdictTest, AFeedIsFed) {
  report_.role = "feed";
  report_.dispenser = {};
  EXPECT_EQ(said().text, "All is well: this machine is fed from 2 upstreams.");
  report_.ready = false;
  EXPECT_EQ(said().text, "This machine has not been fed yet.");
}

}  // namespace
}  // namespace qanat::observe
