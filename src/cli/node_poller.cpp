#include "cli/node_poller.h"

#include <utility>

#include "cli/control.h"

namespace qanat::cli {

NodePoller::NodePoller(std::vector<std::string> states, Duration every)
    : states_(std::move(states)), every_(every), thread_([this] { run(); }) {}

NodePoller::~NodePoller() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
  }
  stop_.wake();
  thread_.join();
}

std::optional<std::vector<NodePoller::Answer>> NodePoller::take() {
  news_.clear();
  const MutexLock lock(mutex_);
  return std::exchange(answers_, std::nullopt);
}

NodePoller::Answer NodePoller::ask(const std::string& state, bool& has_history) const {
  Answer answer;
  try {
    answer.document = ask_node(state, "GET", "/v1/status", {}, {}, &stop_);
    answer.absent = !answer.document;
    if (answer.absent) no_node(state);
  } catch (const std::exception& problem) {
    answer.problem = plain_what(problem);
  }
  if (!answer.document || has_history) return answer;
  has_history = true;
  try {
    answer.history = ask_node(state, "GET", "/v1/history?span=10m", {}, {}, &stop_);
  } catch (const std::exception&) {
    // One of an earlier version keeps none.
  }
  return answer;
}

void NodePoller::run() {
  std::vector<char> has_history(states_.size(), 0);
  for (;;) {
    std::vector<Answer> answers;
    for (std::size_t i = 0; i < states_.size(); ++i) {
      bool has = has_history[i] != 0;
      answers.push_back(ask(states_[i], has));
      has_history[i] = has ? 1 : 0;
    }
    {
      const MutexLock lock(mutex_);
      if (stopping_) return;
      // A history that nobody has taken yet is not lost.
      for (std::size_t i = 0; answers_ && i < answers.size(); ++i) {
        if (!answers[i].history) answers[i].history = std::move((*answers_)[i].history);
      }
      answers_ = std::move(answers);
    }
    news_.wake();
    if (wait_for(-1, 0, stop_, every_) == Wake::woken) return;
  }
}

}  // namespace qanat::cli
