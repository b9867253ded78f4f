#include "outlets/trickle/spent_questions.h"

#include <algorithm>

namespace qanat::outlets {
namespace {

constexpr std::size_t word_bits = 64;
constexpr std::size_t part_words = SpentQuestions::part_bits / word_bits;
// A MAC is as good as random: its bits are the hashes, 18 of each three bytes.
static_assert(3 * SpentQuestions::hashes <= wire::trickle::mac_bytes);
static_assert(SpentQuestions::part_bits <= std::size_t{1} << 24);

// The place in the part of a client's `number`th bit.
std::size_t place(const SpentQuestions::Mac& mac, std::size_t number) {
  std::size_t bits = 0;
  for (std::size_t i = 0; i < 3; ++i) bits = bits << 8 | mac[3 * number + i];
  return bits % SpentQuestions::part_bits;
}

std::size_t word_of(const wire::trickle::ClientId& client, std::size_t at) {
  return client[0] % SpentQuestions::parts * part_words + at / word_bits;
}
std::uint64_t bit_of(std::size_t at) { return std::uint64_t{1} << at % word_bits; }

}  // namespace

void SpentQuestions::turn(std::uint32_t generation) {
  const MutexLock lock(mutex_);
  for (Filter& filter : filters_) {
    if (filter.generation && *filter.generation + 1 < generation) filter.generation.reset();
    if (filter.generation && *filter.generation > generation) filter.generation.reset();
  }
  for (const std::uint32_t wanted : {generation - 1, generation}) {
    Filter& filter = filters_[wanted % 2];
    if (filter.generation == wanted) continue;
    filter.generation = wanted;
    filter.words.assign(parts * part_words, 0);
  }
}

const SpentQuestions::Filter* SpentQuestions::of(std::uint32_t generation) const {
  const Filter& filter = filters_[generation % 2];
  return filter.generation == generation ? &filter : nullptr;
}

bool SpentQuestions::seen(std::uint32_t generation, const wire::trickle::ClientId& client,
                          const Mac& mac) const {
  const MutexLock lock(mutex_);
  const Filter* const filter = of(generation);
  if (filter == nullptr) return true;
  for (std::size_t i = 0; i < hashes; ++i) {
    const std::size_t at = place(mac, i);
    if ((filter->words[word_of(client, at)] & bit_of(at)) == 0) return false;
  }
  return true;
}

bool SpentQuestions::spend(std::uint32_t generation, const wire::trickle::ClientId& client,
                           const Mac& mac) {
  const MutexLock lock(mutex_);
  Filter& filter = filters_[generation % 2];
  if (filter.generation != generation) return false;
  bool fresh = false;
  for (std::size_t i = 0; i < hashes; ++i) {
    const std::size_t at = place(mac, i);
    std::uint64_t& word = filter.words[word_of(client, at)];
    fresh = fresh || (word & bit_of(at)) == 0;
    word |= bit_of(at);
  }
  return fresh;
}

}  // namespace qanat::outlets
