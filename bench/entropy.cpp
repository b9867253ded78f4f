// Speed of health tests, conditioning and DRBG, each beside the limit it is held against.
#include <benchmark/benchmark.h>
#include <openssl/evp.h>

#include <random>

#include "crypto/drbg.h"
#include "entropy/conditioner.h"
#include "entropy/health_tests.h"

namespace {

using namespace qanat;
using namespace qanat::entropy;

std::vector<std::uint8_t> noise(std::size_t size) {
  std::mt19937_64 random(1);
  std::vector<std::uint8_t> bytes(size);
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
  return bytes;
}

void windows(benchmark::State& state, const auto& test) {
  const auto samples = noise(1 << 20);
  for (auto _ : state) {
    for (std::size_t at = 0; at + window_samples <= samples.size(); at += window_samples) {
      benchmark::DoNotOptimize(test(Window(samples.data() + at, window_samples)));
    }
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(samples.size()));
}

void repetition_and_proportion(benchmark::State& state) {
  RepetitionCountTest repetition(8);
  AdaptiveProportionTest proportion(8);
  windows(state, [&](Window w) { return repetition.passes(w) && proportion.passes(w); });
}
BENCHMARK(repetition_and_proportion)->Name("health/RCT+APT (limit 1 GB/s)");

void all_health_tests(benchmark::State& state) {
  HealthTests tests(8, 1);
  windows(state, [&](Window w) { return tests.test(w); });
}
BENCHMARK(all_health_tests)->Name("health/all five");

// Bare hash of messages of the size that makes one block: what conditioning cannot be faster than.
void bare_hash(benchmark::State& state, const char* name) {
  EVP_MD* const algorithm = EVP_MD_fetch(nullptr, name, nullptr);
  EVP_MD_CTX* const context = EVP_MD_CTX_new();
  const auto message = noise(static_cast<std::size_t>(state.range(0)));
  std::array<std::uint8_t, 64> out;
  for (auto _ : state) {
    EVP_DigestInit_ex2(context, algorithm, nullptr);
    EVP_DigestUpdate(context, message.data(), message.size());
    EVP_DigestFinal_ex(context, out.data(), nullptr);
    benchmark::DoNotOptimize(out);
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
  EVP_MD_CTX_free(context);
  EVP_MD_free(algorithm);
}
// Input of one block: 576 bits of assessed entropy at h = 8, 4, 1, 0.125.
BENCHMARK_CAPTURE(bare_hash, SHA512, "SHA512")->Arg(72)->Arg(144)->Arg(576)->Arg(4608);
BENCHMARK_CAPTURE(bare_hash, SHA256, "SHA256")->Arg(40)->Arg(80)->Arg(320)->Arg(2560);

void conditioning(benchmark::State& state) {
  ConditioningKey key({});
  Conditioner conditioner(key, 576.0 / static_cast<double>(state.range(0)), 0);
  const auto samples = noise(static_cast<std::size_t>(state.range(0)));
  std::array<std::uint8_t, block_bytes> block;
  for (auto _ : state) {
    conditioner.absorb(samples);
    conditioner.finish(block);
    benchmark::DoNotOptimize(block);
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(conditioning)->Arg(72)->Arg(144)->Arg(576)->Arg(4608);

void drbg(benchmark::State& state) {
  crypto::CtrDrbg generator;
  generator.reseed(noise(48));
  std::vector<std::uint8_t> out(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) generator.generate(out);
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(drbg)->Arg(64)->Arg(1024)->Arg(16384)->Arg(65536);

}  // namespace

int main(int argc, char** argv) {
  qanat::initialise_secret_memory();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
