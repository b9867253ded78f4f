#include "sources/upstream/worker.h"

#include <algorithm>
#include <exception>

namespace qanat::sources {

using peers::ClientError;
using peers::Trouble;
using namespace std::chrono_literals;

UpstreamWorker::UpstreamWorker(peers::Endpoint endpoint, const std::string& own_id,
                               const std::string& cookie_directory, std::function<void()> on_answer)
    : on_answer_(std::move(on_answer)),
      link_(std::move(endpoint), own_id, cookie_directory, stop_) {}

void UpstreamWorker::start() {
  thread_.start(
      [this] {
        run();
        link_.disconnect();
      },
      // The answer tells of what went wrong with it.
      [](const std::string&) {}, stop_, clock_);
}

void UpstreamWorker::request_stop() {
  {
    const MutexLock lock(mutex_);
    thread_.request_stop();
  }
  changed_.notify_all();
  stop_.wake();
}

void UpstreamWorker::renew() {
  renew_.store(true);
  stop_.wake();
}

bool UpstreamWorker::idle() const {
  const MutexLock lock(mutex_);
  return !question_;
}

void UpstreamWorker::ask(const Question& question) {
  {
    const MutexLock lock(mutex_);
    question_ = question;
  }
  changed_.notify_all();
}

std::optional<UpstreamWorker::Answer> UpstreamWorker::take() {
  const MutexLock lock(mutex_);
  if (!answer_) return std::nullopt;
  std::optional<Answer> answer = std::move(answer_);
  answer_.reset();
  question_.reset();
  return answer;
}

void UpstreamWorker::run() {
  for (;;) {
    Question question;
    {
      const MutexLock lock(mutex_);
      while (!thread_.stopping() && (!question_ || answer_)) changed_.wait(mutex_);
      if (thread_.stopping()) return;
      question = *question_;
    }
    // Whoever wakes it says why first: so nothing is missed.
    stop_.clear();
    if (thread_.stopping()) return;
    if (renew_.exchange(false)) link_.renew();
    Answer answer = perform(question);
    {
      const MutexLock lock(mutex_);
      answer_ = std::move(answer);
    }
    on_answer_();
  }
}

UpstreamWorker::Answer UpstreamWorker::perform(const Question& question) {
  const TimePoint began = clock_.now();
  Answer answer{.question = question, .transfer = UpstreamLink::Transfer(), .bytes = {}, .key = {}};
  try {
    if (question.bytes == 0) {
      link_.prepare_seeds();
      return answer;
    }
    SecretBytes buffer(question.bytes);
    MutableBytes out = buffer.view();
    answer.transfer = fetch(question, out, answer.full);
    answer.bytes = out.size() == buffer.size() ? std::move(buffer) : SecretBytes(out);
    answer.key = link_.key();
  } catch (const std::exception& problem) {
    answer.transfer = tl::unexpected(ClientError{Trouble::unreachable, plain_what(problem)});
  }
  answer.took = clock_.now() - began;
  return answer;
}

// Bytes of grade full, or a seed of grade drbg where that is better than nothing: `out` and `full`
// are changed to what came.
tl::expected<UpstreamLink::Transfer, ClientError> UpstreamWorker::fetch(const Question& question,
                                                                        MutableBytes& out,
                                                                        bool& full) {
  const auto shrink = [&] { out = out.first(std::min(out.size(), question.drbg_bytes)); };
  full = !link_.pollen();
  if (link_.pollen()) {
    shrink();
    return link_.fetch_pollen(out);
  }
  tl::expected<UpstreamLink::Transfer, ClientError> transfer =
      tl::unexpected(ClientError{Trouble::unreachable, ""});
  if (question.seed) {
    transfer = link_.seed(out, full);
    if (transfer && !full) shrink();
  }
  if (!transfer && transfer.error().trouble == Trouble::unreachable) {
    full = true;
    transfer = link_.fetch(out, true, question.wait);
  }
  if (!transfer && transfer.error().trouble == Trouble::busy && question.seed) {
    full = false;
    shrink();
    transfer = link_.fetch(out, false, 0s);
  }
  return transfer;
}

}  // namespace qanat::sources
