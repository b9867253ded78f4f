// A source at work, with a dispenser that it fills.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "sources/registry.h"
#include "support/eventually.h"
#include "support/noise.h"
#include "support/temporary_directory.h"

namespace qanat::sources {

class SourceTest : public testing::Test {
 protected:
  const test::TemporaryDirectory temporary_;
  const std::string directory_ = temporary_.path();

  SourceTest() {
    dispenser_.on_demand([this] {
      for (auto* source : running_) source->wake();
    });
  }

  std::unique_ptr<RunningSource> start(const std::string& text) {
    auto source = make_source(
        text, {dispenser_, key_, provenance_, clock_,
               [this](const std::string& subject, const std::string& what, EventKind) {
                 const std::scoped_lock lock(mutex_);
                 events_.push_back(subject + ": " + what);
               },
               "", [](const std::string&, const FreshSeed&) { return false; }, false, &origins_});
    running_.push_back(source.get());
    source->start();
    return source;
  }
  static bool reaches(const RunningSource& source, const std::string& state) {
    return test::eventually([&] { return to_string(source.report().state) == state; });
  }
  std::string path(const char* name) const { return directory_ + "/" + name; }
  void write_file(const std::string& to, const test::Samples& samples) {
    std::ofstream(to, std::ios::binary)
        .write(reinterpret_cast<const char*>(samples.data()),
               static_cast<std::streamsize>(samples.size()));
  }

  Clock clock_;
  share::Dispenser dispenser_{64 << 10, 1024};
  entropy::ConditioningKey key_{as_bytes("test")};
  entropy::Provenance provenance_;
  Origins origins_;
  std::vector<RunningSource*> running_;
  std::mutex mutex_;
  std::vector<std::string> events_;
};

}  // namespace qanat::sources
