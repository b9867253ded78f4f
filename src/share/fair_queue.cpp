#include "share/fair_queue.h"

#include <algorithm>

namespace qanat::share {

RequestId FairQueue::add(FlowId flow_id, double weight, std::size_t bytes, bool urgent) {
  const RequestId id = ++last_id_;
  requests_.emplace(id, Request{flow_id, bytes, weight, urgent});
  waiting_bytes_ += bytes;
  if (urgent) {
    urgent_.push_back(id);
    return id;
  }
  Flow& flow = flows_[flow_id];
  flow.line.push_back(id);
  if (flow.line.size() == 1) enter(flow_id, flow);
  return id;
}

void FairQueue::enter(FlowId id, Flow& flow) {
  flow.start = std::max(flow.finish, virtual_time_);
  order_.emplace(flow.start, id);
}

bool FairQueue::remove(RequestId id) {
  const auto found = requests_.find(id);
  if (found == requests_.end()) return false;
  if (found->second.urgent) {
    std::erase(urgent_, id);
  } else {
    const auto flow = flows_.find(found->second.flow);
    const bool was_first = flow->second.line.front() == id;
    std::erase(flow->second.line, id);
    if (was_first) {
      order_.erase({flow->second.start, flow->first});
      if (!flow->second.line.empty()) {
        enter(flow->first, flow->second);
      } else if (flow->second.finish <= virtual_time_) {
        flows_.erase(flow);
      }
    }
  }
  forget(id);
  return true;
}

void FairQueue::forget(RequestId id) {
  const auto found = requests_.find(id);
  waiting_bytes_ -= found->second.bytes;
  requests_.erase(found);
}

std::optional<FairQueue::Head> FairQueue::next() const {
  RequestId id = 0;
  if (!urgent_.empty()) {
    id = urgent_.front();
  } else if (!order_.empty()) {
    id = flows_.at(order_.begin()->second).line.front();
  } else {
    return std::nullopt;
  }
  return Head{id, requests_.at(id).bytes};
}

void FairQueue::served() {
  if (!urgent_.empty()) {
    forget(urgent_.front());
    urgent_.pop_front();
    return;
  }
  const FlowId flow_id = order_.begin()->second;
  Flow& flow = flows_.at(flow_id);
  order_.erase(order_.begin());
  const RequestId id = flow.line.front();
  flow.line.pop_front();
  const Request& request = requests_.at(id);
  virtual_time_ = flow.start;
  flow.finish = flow.start + static_cast<double>(request.bytes) / request.weight;
  forget(id);
  if (!flow.line.empty()) {
    enter(flow_id, flow);
  } else if (order_.empty()) {
    // Nobody waits: nobody is ahead of anybody either.
    flows_.clear();
    virtual_time_ = 0;
  }
}

}  // namespace qanat::share
