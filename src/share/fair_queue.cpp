#include "share/fair_queue.h"

#include <algorithm>

namespace qanat::share {

Duration time_for(double bytes, double rate) {
  constexpr double longest = 1e9;  // seconds; no overflow, and as good as never
  if (rate <= 0) return Duration::max();
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(std::min(longest, bytes / rate)));
}

namespace {

// Room for one more, and for `others` as many: what is done later, when something ends or is
// served, needs no memory and so cannot fail.
template <typename T, typename... Others>
void make_room(std::vector<T>& items, Others&... others) {
  if (items.size() == items.capacity()) items.reserve(std::max<std::size_t>(16, 2 * items.size()));
  (others.reserve(items.capacity()), ...);
}

}  // namespace

FlowId FairQueue::open(double weight) {
  if (free_flows_.empty()) {
    make_room(flows_, free_flows_, order_, due_);
    free_flows_.push_back(static_cast<FlowId>(flows_.size()));
    flows_.emplace_back();
  }
  const FlowId id = free_flows_.back();
  free_flows_.pop_back();
  flows_[id] = Flow();
  flows_[id].weight = weight;
  flows_[id].open = true;
  return id;
}

void FairQueue::close(FlowId id) {
  guarantee(id, 0, 0, TimePoint());
  flows_[id].open = false;
  if (flows_[id].requests == 0) free_flows_.push_back(id);
}

void FairQueue::set_weight(FlowId id, double weight) {
  Flow& flow = flows_[id];
  if (flow.first != none) waiting_weight_ += weight - flow.weight;
  flow.weight = weight;
}

void FairQueue::guarantee(FlowId id, double rate, double burst, TimePoint now) {
  Flow& flow = flows_[id];
  if (flow.first != none) waiting_guarantees_ += rate - flow.rate;
  flow.rate = rate;
  flow.burst = std::max(burst, static_cast<double>(least_tokens));
  flow.full_at = now;
  if (flow.first != none) set_due(id);
}

RequestId FairQueue::id_of(Slot slot) const {
  return std::uint64_t{requests_[slot].generation} << 32 | slot;
}

FairQueue::Slot FairQueue::find(RequestId id) const {
  const Slot slot = static_cast<Slot>(id);
  const bool there = slot < requests_.size() && requests_[slot].present && id_of(slot) == id;
  return there ? slot : none;
}

RequestId FairQueue::add(FlowId id, std::size_t bytes, TimePoint now, bool urgent) {
  if (free_requests_.empty()) {
    make_room(requests_, free_requests_);
    free_requests_.push_back(static_cast<Slot>(requests_.size()));
    requests_.emplace_back();
  }
  const Slot slot = free_requests_.back();
  if (urgent) urgent_.push_back(slot);
  // Nothing fails from here on.
  free_requests_.pop_back();
  Request& request = requests_[slot];
  request = {.generation = request.generation + 1,
             .flow = id,
             .wanted = bytes,
             .urgent = urgent,
             .present = true};
  ++size_;
  waiting_bytes_ += bytes;
  Flow& flow = flows_[id];
  ++flow.requests;
  flow.bytes += bytes;
  if (urgent) return id_of(slot);
  request.before = flow.last;
  (flow.last == none ? flow.first : requests_[flow.last].after) = slot;
  flow.last = slot;
  if (flow.first == slot) {
    // A bucket that has been full since is full now, and no fuller.
    flow.full_at = std::max(flow.full_at, now);
    now_ = now;
    enter(id);
  }
  return id_of(slot);
}

void FairQueue::enter(FlowId id) {
  Flow& flow = flows_[id];
  const bool soon = flow.left && now_ - *flow.left <= place_kept;
  const double back = soon ? most_slices_back * static_cast<double>(slice_) : 0;
  flow.start = std::max(flow.start, virtual_time_ - back);
  order_.put(id, flow.start);
  waiting_weight_ += flow.weight;
  waiting_guarantees_ += flow.rate;
  set_due(id);
}

void FairQueue::leave(FlowId id) {
  Flow& flow = flows_[id];
  flow.left = now_;
  order_.remove(id);
  due_.remove(id);
  waiting_weight_ -= flow.weight;
  waiting_guarantees_ -= flow.rate;
  if (order_.empty()) {
    // Nobody waits: nobody owes for what nobody else wanted. Sums begin anew, without rounding
    // errors.
    virtual_time_ = std::max(virtual_time_, last_finish_);
    waiting_weight_ = 0;
    waiting_guarantees_ = 0;
  }
}

double FairQueue::tokens(const Flow& flow, TimePoint now) const {
  return flow.burst - std::max(0.0, seconds(flow.full_at - now)) * flow.rate;
}

void FairQueue::set_due(FlowId id) {
  const Flow& flow = flows_[id];
  if (flow.rate <= 0) return due_.remove(id);
  const Request& first = requests_[flow.first];
  const std::size_t need = std::min(least_tokens, first.wanted - first.granted);
  due_.put(id, flow.full_at - time_for(flow.burst - static_cast<double>(need), flow.rate));
}

void FairQueue::unlink(Slot slot) {
  const Request& request = requests_[slot];
  Flow& flow = flows_[request.flow];
  (request.before == none ? flow.first : requests_[request.before].after) = request.after;
  (request.after == none ? flow.last : requests_[request.after].before) = request.before;
}

void FairQueue::release(Slot slot) {
  Request& request = requests_[slot];
  const std::size_t open = request.wanted - request.granted;
  waiting_bytes_ -= open;
  --size_;
  if (focus_ == slot) focus_ = none;
  Flow& flow = flows_[request.flow];
  --flow.requests;
  flow.bytes -= open;
  if (!flow.open && flow.requests == 0) free_flows_.push_back(request.flow);
  request.present = false;
  free_requests_.push_back(slot);
}

std::optional<std::size_t> FairQueue::remove(RequestId id) {
  const Slot slot = find(id);
  if (slot == none) return std::nullopt;
  const Request request = requests_[slot];
  partial_bytes_ -= request.granted;
  if (request.urgent) {
    std::erase(urgent_, slot);
  } else {
    const bool was_first = flows_[request.flow].first == slot;
    unlink(slot);
    if (flows_[request.flow].first == none) {
      leave(request.flow);
    } else if (was_first) {
      set_due(request.flow);
    }
  }
  release(slot);
  return request.granted;
}

std::optional<FairQueue::Grant> FairQueue::grant(std::size_t available, std::size_t slice,
                                                 TimePoint now) {
  if (size_ == 0 || available == 0) return std::nullopt;
  now_ = now;
  slice_ = slice;
  if (!urgent_.empty()) {
    const Slot slot = urgent_.front();
    const Grant given =
        give(slot, std::min(available, requests_[slot].wanted - requests_[slot].granted));
    if (given.complete) {
      urgent_.pop_front();
      release(slot);
    }
    return given;
  }
  const bool promised = focus_ == none && !due_.empty() && due_.top_key() <= now;
  const FlowId id = focus_ != none ? requests_[focus_].flow : promised ? due_.top() : order_.top();
  Flow& flow = flows_[id];
  const Slot slot = flow.first;
  const std::size_t open = requests_[slot].wanted - requests_[slot].granted;
  std::size_t bytes = std::min(open, available);
  if (promised) {
    const auto affordable = static_cast<std::size_t>(std::max(1.0, tokens(flow, now)));
    bytes = std::min({bytes, slice, affordable});
  } else if (focus_ == none && order_.size() > 1) {
    bytes = std::min(bytes, slice);
  }
  if (bytes < open && partial_bytes_ + bytes > partial_limit_ && focus_ == none) {
    focus_ = slot;
    bytes = std::min(open, available);
  }
  if (promised) {
    flow.full_at = std::max(flow.full_at, now) + time_for(static_cast<double>(bytes), flow.rate);
  } else {
    virtual_time_ = std::max(virtual_time_, flow.start);
    flow.start += static_cast<double>(bytes) / flow.weight;
    last_finish_ = std::max(last_finish_, flow.start);
  }
  const Grant given = give(slot, bytes);
  if (given.complete) unlink(slot);
  if (flow.first == none) {
    leave(id);
  } else {
    if (!promised) order_.put(id, flow.start);
    set_due(id);
  }
  if (given.complete) release(slot);
  return given;
}

FairQueue::Grant FairQueue::give(Slot slot, std::size_t bytes) {
  Request& request = requests_[slot];
  Flow& flow = flows_[request.flow];
  const bool complete = request.granted + bytes == request.wanted;
  waiting_bytes_ -= bytes;
  flow.bytes -= bytes;
  flow.granted_bytes += bytes;
  if (complete) {
    partial_bytes_ -= request.granted;
  } else {
    partial_bytes_ += bytes;
  }
  request.granted += bytes;
  return {id_of(slot), bytes, complete};
}

FairQueue::FlowView FairQueue::view(FlowId id) const {
  const Flow& flow = flows_[id];
  return {flow.weight, flow.rate, flow.requests, flow.bytes, flow.granted_bytes};
}

}  // namespace qanat::share
