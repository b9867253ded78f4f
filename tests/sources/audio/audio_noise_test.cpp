#include "sources/audio/audio_noise.h"

#include <gtest/gtest.h>

#include <limits>

#include "support/sound.h"

namespace qanat::sources {
namespace {

using test::record;
using test::Signal;
using test::Sound;
using test::sum;
using test::white;

std::string name_of(AudioFlaw flaw) {
  switch (flaw) {
    case AudioFlaw::none:
      return "none";
    case AudioFlaw::silent:
      return "silent";
    case AudioFlaw::coarse:
      return "coarse";
    case AudioFlaw::dither:
      return "dither";
    case AudioFlaw::clipped:
      return "clipped";
    case AudioFlaw::tune:
      return "tune";
    case AudioFlaw::quiet:
      return "quiet";
  }
  return "";
}

AudioJudgement judge(const Sound& sound, double h = 0.5) {
  return AudioJudge(h, 16).judge(AudioJudge::Block(sound.data(), AudioJudge::frames));
}
// Of a block that begins a second in.
AudioJudgement judge(const Signal& signal, double h = 0.5) {
  const Sound sound = record(signal, 48000 + AudioJudge::frames);
  return judge(Sound(sound.begin() + 48000, sound.end()), h);
}
std::string flaw_of(const Signal& signal, double h = 0.5) { return name_of(judge(signal, h).flaw); }

TEST(AudioJudge, RefusesABlockInWhichItIsMuted) {
  for (const std::size_t at : {std::size_t{0}, std::size_t{1000}, AudioJudge::frames - 200}) {
    Sound sound = record(white(20, 1), AudioJudge::frames);
    std::fill_n(sound.begin() + static_cast<std::ptrdiff_t>(at), 200, 0);
    EXPECT_NE(name_of(judge(sound).flaw), "none") << at;
  }
}

// The entropy of a normal variable in whole steps is log2(2.507 sigma), from half a step on.
TEST(AudioJudge, MeasuresWhatCannotBePredicted) {
  for (const double sigma : {1.0, 2.0, 4.0, 16.0}) {
    const double true_bits = std::log2(2.507 * sigma);
    const auto found = judge(white(sigma, 1));
    EXPECT_EQ(name_of(found.flaw), "none") << sigma;
    EXPECT_NEAR(found.bits, true_bits, 0.25) << sigma;
    EXPECT_NEAR(found.noise, sigma, 0.1 * sigma) << sigma;
    EXPECT_NEAR(found.level, sigma, 0.1 * sigma) << sigma;
  }
  // Low-passed noise of 16 steps has 7 of its own in each sample; its histogram says 16.
  const auto low_passed = judge(test::low_passed(16, 2));
  EXPECT_NEAR(low_passed.level, 16, 2);
  EXPECT_NEAR(low_passed.noise, 7, 0.5);
  EXPECT_NEAR(low_passed.bits, std::log2(2.507 * 7), 0.25);
}

TEST(AudioJudge, HoldsTheClaimAgainstIt) {
  EXPECT_EQ(flaw_of(white(0.6, 3)), "none");
  EXPECT_EQ(flaw_of(white(0.4, 3)), "quiet");
  EXPECT_EQ(flaw_of(white(1, 3), 1), "none");
  EXPECT_EQ(flaw_of(white(1, 3), 2), "quiet");
  EXPECT_EQ(flaw_of(test::low_passed(1, 3), 1), "quiet") << "0.6 bits beside what came before";
}

// Wherever it comes from in the range of the converter, and whatever lies beneath: hum is no flaw,
// and adds nothing.
TEST(AudioJudge, HumAndAnOffsetAddNothing) {
  const Signal offset = [](double) { return -1234.4; };
  EXPECT_NEAR(judge(sum(white(2, 4), offset)).bits, judge(white(2, 4)).bits, 0.15);
  const Signal hum = sum(test::sine(50, 5000), test::sine(150, 900));
  EXPECT_EQ(flaw_of(sum(hum, white(1, 5))), "none");
  EXPECT_LT(judge(sum(hum, white(1, 5))).bits, 2);
  EXPECT_EQ(flaw_of(hum), "quiet");
}

TEST(AudioJudge, NothingThatOnlySoundsIsNoise) {
  EXPECT_EQ(flaw_of([](double) { return 0; }), "silent");
  EXPECT_EQ(flaw_of([](double) { return 77; }), "silent");
  EXPECT_EQ(flaw_of(test::sine(997, 30000)), "tune");
  EXPECT_EQ(flaw_of(sum(test::sine(1000, 10000), white(0.3, 6))), "tune");
  EXPECT_EQ(flaw_of(sum(test::sine(1000, 100), white(0.3, 6))), "quiet");
  EXPECT_EQ(flaw_of(sum(test::sine(1000, 10000), white(2, 6))), "tune")
      << "our prediction of something so loud may be what errs";
  EXPECT_EQ(flaw_of(test::chirp(9900, 10000)), "tune");
  EXPECT_EQ(flaw_of(test::chirp(99000, 10000)), "tune");
  EXPECT_EQ(flaw_of(test::melody(5000)), "tune");
  EXPECT_EQ(flaw_of(test::square(100, 100)), "quiet");
  EXPECT_EQ(flaw_of(sum(test::square(100, 100), white(0.3, 6))), "quiet");
  EXPECT_EQ(flaw_of(test::square(100, 5000)), "clipped");
  EXPECT_EQ(flaw_of([](double time) { return std::fmod(time * 1776000, 20000); }), "quiet")
      << "a saw";
}

TEST(AudioJudge, DitherOfADigitalSilenceIsNoNoise) {
  std::mt19937_64 random(7);
  std::uniform_int_distribution<int> one_step(-1, 1);
  const Signal flat = [&](double) { return one_step(random); };
  EXPECT_GT(judge(flat).bits, 1.4) << "by its histogram alone it would pass";
  EXPECT_EQ(flaw_of(flat), "dither");
  std::uniform_real_distribution<double> half(-0.5, 0.5);
  EXPECT_EQ(flaw_of([&](double) { return half(random) + half(random); }), "dither");
}

// Also where the amplifier's limit is below the converter's, and has noise of its own upon it.
TEST(AudioJudge, ClippingIsSeenWhereverItsLimitIs) {
  EXPECT_EQ(flaw_of(white(20000, 8)), "clipped");
  EXPECT_EQ(flaw_of(white(14000, 8)), "clipped") << "2% of it, at the converter's own limit";
  EXPECT_EQ(flaw_of(test::clipped(white(1000, 8), 1200)), "clipped");
  EXPECT_EQ(flaw_of(sum(test::clipped(white(1000, 8), 1200), white(1, 9))), "clipped");
  EXPECT_EQ(flaw_of(white(8000, 8)), "none") << "loud, and not clipped";
}

TEST(AudioJudge, LowBytesThatNeverChangeAreNoSamples) {
  EXPECT_EQ(flaw_of([noise = white(3, 10)](double time) mutable {
              return 256 * std::round(noise(time));
            }),
            "coarse");
}

// A piece without noise is not made up for by a loud one beside it.
TEST(AudioJudge, NoiseThatStopsWithinABlockIsSeen) {
  const Sound noise = record(white(100, 11), AudioJudge::frames);
  Sound stops = noise;
  const Sound quiet = record(white(0.3, 12), 2048);
  std::copy(quiet.begin(), quiet.end(), stops.begin() + 4096);
  EXPECT_EQ(name_of(judge(noise).flaw), "none");
  EXPECT_EQ(name_of(judge(stops).flaw), "quiet");
}

TEST(AudioJudge, TakesAnything) {
  constexpr std::int32_t most = std::numeric_limits<std::int32_t>::max();
  Sound sound(AudioJudge::frames);
  const auto judged = [&](const auto& value) {
    for (std::size_t t = 0; t < sound.size(); ++t) sound[t] = value(t);
    const auto found = judge(sound);
    EXPECT_TRUE(std::isfinite(found.level) && std::isfinite(found.noise) &&
                std::isfinite(found.bits));
    return name_of(found.flaw);
  };
  EXPECT_EQ(judged([](std::size_t t) { return t % 2 == 0 ? most : -most - 1; }), "clipped");
  EXPECT_EQ(judged([](std::size_t t) { return t == 0 ? 1 : 0; }), "dither");
  EXPECT_EQ(judged([](std::size_t t) { return t == 5000 ? 30000 : 0; }), "clipped");
  EXPECT_EQ(judged([](std::size_t t) { return static_cast<std::int32_t>(t); }), "quiet");
  EXPECT_EQ(judged([](std::size_t t) { return t % 4 < 2 ? 50 : -50; }), "tune");
}

class AudioNoiseTest : public testing::Test {
 protected:
  // What comes out of it, until its end or a fault.
  std::vector<std::uint8_t> pass(const Sound& sound) {
    std::vector<std::uint8_t> all;
    std::array<std::uint8_t, 500> out{};
    std::span<const std::int32_t> rest(sound);
    while (!rest.empty()) {
      const auto used = noise_.add(rest.first(std::min<std::size_t>(rest.size(), 777)));
      if (!used) {
        fault_ = used.error();
        return all;
      }
      rest = rest.subspan(*used);
      while (const std::size_t n = noise_.take(out))
        all.insert(all.end(), out.begin(), out.begin() + static_cast<std::ptrdiff_t>(n));
    }
    return all;
  }

  AudioNoise noise_{"hw:1", 0.5, 16};
  Error fault_;
};

TEST_F(AudioNoiseTest, GivesTheLowBytesOfWholeBlocksAfterItHasSettled) {
  const Sound sound = record(white(300, 20), 12000 + 2 * AudioJudge::frames + 100);
  noise_.begin(48000);
  const auto bytes = pass(sound);
  ASSERT_EQ(bytes.size(), 2 * AudioJudge::frames);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    ASSERT_EQ(bytes[i], static_cast<std::uint8_t>(sound[12000 + i])) << i;
  }
  EXPECT_EQ(fault_.message, "");
  // After a gap the 100 that were gathered are forgotten.
  noise_.begin(48000);
  EXPECT_EQ(pass(sound), bytes);
}

// However often it comes.
TEST_F(AudioNoiseTest, ACoughCostsItsBlocksAndNothingElse) {
  Sound sound(12000);
  const Sound noise = record(white(3, 21), 9 * AudioJudge::frames);
  const Sound cough = record(test::sine(600, 20000), 3 * AudioJudge::frames);
  for (int times = 0; times < 6; ++times) {
    sound.insert(sound.end(), noise.begin(), noise.end());
    sound.insert(sound.end(), cough.begin(), cough.end());
  }
  noise_.begin(48000);
  EXPECT_EQ(pass(sound).size(), 6 * 9 * AudioJudge::frames);
  EXPECT_EQ(fault_.message, "");
}

TEST_F(AudioNoiseTest, TwoSecondsOfNoNoiseAreAFaultInPlainWords) {
  const auto words = [this](const Signal& signal) {
    noise_.begin(48000);
    fault_ = {};
    EXPECT_EQ(pass(record(signal, 3 * 48000)).size(), 0U);
    EXPECT_TRUE(fault_.fault);
    return fault_.message;
  };
  const auto says = [&](const Signal& signal, const std::string& what) {
    const std::string said = words(signal);
    EXPECT_NE(said.find("hw:1"), std::string::npos) << said;
    EXPECT_NE(said.find(what), std::string::npos) << said;
  };
  says([](double) { return 0; }, "only zeros: is it muted");
  says([](double) { return -3; }, "the value -3");
  says(white(0.25, 22), "three neighbouring values");
  says(white(0.4, 22), "at most 0.3");
  says(white(30000, 22), "is clipped");
  says(test::sine(1000, 9000), "a tone or music");
  says([noise = white(3, 10)](double time) mutable { return 256 * std::round(noise(time)); },
       "low 8 of 16 bits");
  // Less than that is none.
  noise_.begin(48000);
  fault_ = {};
  EXPECT_EQ(pass(record(test::sine(1000, 9000), 90000)).size(), 0U);
  EXPECT_FALSE(fault_.fault);
}

}  // namespace
}  // namespace qanat::sources
