// Who draws.
#pragma once

#include <cstddef>

#include "share/fair_queue.h"
#include "share/terms.h"

namespace qanat::share {

class Dispenser;

// One who draws, with terms of its own: a client, an outlet. It ends with this object, which must
// not outlive the dispenser; without a dispenser it only holds its terms. Thread-safe.
class Flow {
 public:
  Flow() = default;
  explicit Flow(const Terms& terms) : terms_(terms) {}
  Flow(Flow&& other) noexcept;
  Flow& operator=(Flow&& other) noexcept;
  ~Flow();

  FlowId id() const { return id_; }

  struct Report {
    Terms terms;
    bool kept = false;         // the guarantee, now; false when there is none
    std::size_t requests = 0;  // that wait
    std::size_t bytes = 0;     // that they wait for
  };
  Report report() const;
  void set_terms(const Terms& terms);
  // The guarantee ends, and others may have it.
  void forgo_guarantee();

 private:
  friend class Dispenser;
  Flow(Dispenser* dispenser, FlowId id) : dispenser_(dispenser), id_(id) {}
  Dispenser* dispenser_ = nullptr;
  FlowId id_ = 0;
  Terms terms_;  // without a dispenser
};

}  // namespace qanat::share
