// One upstream's thread: it asks there, and nothing else waits for it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <optional>

#include "base/mutex.h"
#include "entropy/sink.h"
#include "sources/runner/source_thread.h"
#include "sources/upstream/link.h"

namespace qanat::sources {

// One question at a time. Its functions are called by the owner's thread, but for `renew` and
// `request_stop`, which any thread may call.
class UpstreamWorker {
 public:
  struct Question {
    // 0: no bytes; see to it that the next seed can come by trickle.
    std::size_t bytes = 0;
    // For this machine alone: by trickle if that is possible, and of grade drbg where there is no
    // grade full.
    bool seed = false;
    // Of grade drbg no more is worth anything: where a quorum mixes, all give the same.
    std::size_t drbg_bytes = 0;
    Duration wait{};  // in the server's line
    entropy::Epoch epoch = 0;
  };
  struct Answer {
    Question question;
    tl::expected<UpstreamLink::Transfer, peers::ClientError> transfer;
    SecretBytes bytes;
    bool full = true;
    std::optional<crypto::Pin> key;
    Duration took{};
  };

  // `on_answer` is called on the worker's thread when there is something to `take`.
  UpstreamWorker(peers::Endpoint endpoint, const std::string& own_id,
                 const std::string& cookie_directory, std::function<void()> on_answer);
  ~UpstreamWorker() { request_stop(); }

  void start();
  void request_stop();
  bool join(Duration limit) { return thread_.join(limit); }

  bool idle() const;
  // Only of one that is idle.
  void ask(const Question& question);
  // The answer, once; then it is idle again.
  std::optional<Answer> take();
  // This machine may be a copy of another: ends what it is doing (Trouble::stopped), and goes on
  // with other connections and cookies.
  void renew();

  const UpstreamLink& link() const { return link_; }

 private:
  void run();
  Answer perform(const Question& question);
  tl::expected<UpstreamLink::Transfer, peers::ClientError> fetch(const Question& question,
                                                                 MutableBytes& out, bool& full);

  const std::function<void()> on_answer_;
  const Clock clock_;
  const Waker stop_;  // interrupts the network
  UpstreamLink link_;
  std::atomic<bool> renew_{false};

  mutable Mutex mutex_;
  std::condition_variable_any changed_;
  std::optional<Question> question_ GUARDED_BY(mutex_);  // until its answer is taken
  std::optional<Answer> answer_ GUARDED_BY(mutex_);

  SourceThread thread_;
};

}  // namespace qanat::sources
