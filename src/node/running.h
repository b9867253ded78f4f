// The sources and outlets that run.
#pragma once

#include <future>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "serve/outlet.h"
#include "sources/runner/running_source.h"

namespace qanat::node {

// The name that made it; with a quorum the names of all upstreams, which are one source.
using SourceTexts = std::vector<std::string>;

struct NamedOutlet {
  std::string text;
  std::shared_ptr<serve::Outlet> outlet;
};
struct NamedSource {
  SourceTexts texts;
  std::shared_ptr<sources::RunningSource> source;
};

// What runs, at one moment, is one object that is never changed: whoever needs it takes a reference
// and works without a lock. docs/architecture.md, Locks.
class Running {
 public:
  struct Lists {
    std::vector<NamedSource> sources;
    std::vector<NamedOutlet> outlets;
  };

  Running();

  // Any thread. Whoever has it waits for nobody, and lets it go soon.
  std::shared_ptr<const Lists> lists() const EXCLUDES(mutex_);
  // Puts others in their place, and returns the old once no thread uses them any more: they are the
  // caller's alone, to stop and to end. By one thread.
  Lists replace(Lists next) EXCLUDES(mutex_);

 private:
  // The lists, and a word to whoever waits when nobody uses them any more.
  struct Published {
    explicit Published(Lists what) : lists(std::move(what)) {}
    ~Published() { unused.set_value(); }
    Published(const Published&) = delete;
    Published& operator=(const Published&) = delete;
    const Lists lists;
    std::promise<void> unused;
  };

  mutable Mutex mutex_;
  std::shared_ptr<Published> published_ GUARDED_BY(mutex_);
  std::future<void> unused_;  // of published_
};

}  // namespace qanat::node
