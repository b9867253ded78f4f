#include "node/running.h"

#include <utility>

namespace qanat::node {

Running::Running() : published_(std::make_shared<Published>(Lists())) {
  unused_ = published_->unused.get_future();
}

std::shared_ptr<const Running::Lists> Running::lists() const {
  const MutexLock lock(mutex_);
  return {published_, &published_->lists};
}

Running::Lists Running::replace(Lists next) {
  auto published = std::make_shared<Published>(std::move(next));
  Lists old = *lists();
  // Nothing fails from here on.
  std::future<void> unused = std::exchange(unused_, published->unused.get_future());
  {
    const MutexLock lock(mutex_);
    published_.swap(published);
  }
  published.reset();
  unused.wait();
  return old;
}

}  // namespace qanat::node
