// Double-entry accounts of every full-entropy bit: the invariant of the whole program.
//
//   credited = delivered + discarded + reseed + reserve
//
// `reserve` is not derived from the others: it is what the reserve holds and what has been taken
// out and not yet settled, counted on its own, so that a bit that is lost or used twice shows.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace qanat::entropy {

using SourceId = std::uint32_t;

// All in bits.
struct Account {
  std::uint64_t credited = 0;   // full-entropy bits that came in
  std::uint64_t delivered = 0;  // handed to a client, the kernel, a file
  std::uint64_t discarded = 0;  // delivery failed, no room, or wiped at the end
  std::uint64_t reseed = 0;     // spent on seeding DRBGs
  std::uint64_t reserve = 0;    // here: in the reserve, or on the way out

  bool balanced() const { return credited == delivered + discarded + reseed + reserve; }
  Account& operator+=(const Account& other);
};

// Not thread-safe; share::Dispenser guards it.
class Ledger {
 public:
  // An account for a new source. It lasts as long as the ledger: bytes outlive their source.
  SourceId open(std::string name);

  Account& operator[](SourceId id) { return accounts_.at(id); }
  const Account& operator[](SourceId id) const { return accounts_.at(id); }
  const std::string& name(SourceId id) const { return names_.at(id); }
  std::size_t size() const { return accounts_.size(); }
  Account total() const;

 private:
  std::vector<Account> accounts_;
  std::vector<std::string> names_;
};

}  // namespace qanat::entropy
