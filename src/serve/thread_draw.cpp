#include "serve/thread_draw.h"

#include "crypto/aead.h"

namespace qanat::serve {

using spec::Grade;

namespace {

constexpr std::size_t full_piece = 64;
constexpr std::size_t drbg_piece = 4096;
// Nothing is gained by looking sooner: who is in line is woken.
constexpr Duration thread_patience = std::chrono::seconds(60);

}  // namespace

ThreadDraw::ThreadDraw(const std::string& name, Grade grade, const share::Terms& terms,
                       const OutletServices& services)
    : grade_(grade),
      services_(services),
      flow_(services.dispenser.open_flow(name, terms)),
      drbg_(grade == Grade::drbg ? share::SeededDrbg::make(services.dispenser, 1, services.reseed)
                                 : nullptr),
      buffer_(grade == Grade::full ? full_piece : drbg_piece) {}

ThreadDraw::~ThreadDraw() {
  if (drbg_) drbg_->stop();
}

void ThreadDraw::start() {
  if (drbg_) drbg_->pool().start();
}

void ThreadDraw::stop() {
  stopping_ = true;
  waker_->wake();
}

void ThreadDraw::renew() {
  if (drbg_) drbg_->pool().renew(crypto::random_bytes);
}

void ThreadDraw::ask() {
  if (grade_ == Grade::drbg) {
    // Again, should the first order have failed.
    if (!there()) drbg_->pool().start();
    return;
  }
  if (place_) return;
  place_ = services_.dispenser.request(flow_.id(), buffer_.size(), services_.clock.now(),
                                       [waker = waker_] { waker->wake(); });
}

bool ThreadDraw::there() const {
  return grade_ == Grade::full ? place_ && place_->ready() : drbg_->pool().seeded(0);
}

Duration ThreadDraw::patience() const {
  return grade_ == Grade::full ? thread_patience : seed_pause;
}

ThreadDraw::Turn ThreadDraw::await_turn(int fd) {
  bool hung_up = false;
  for (ask(); !stopping_ && !hung_up && !there(); ask()) {
    hung_up = wait_for(fd, POLLRDHUP, *waker_, patience()) == Wake::ready;
    waker_->clear();
  }
  if (!stopping_ && !hung_up) return Turn::ready;
  forgo();
  return stopping_ ? Turn::stopped : Turn::hung_up;
}

void ThreadDraw::forgo() { place_.reset(); }

Bytes ThreadDraw::take() {
  if (grade_ == Grade::full) {
    withdrawal_ = place_->collect(buffer_.view());
    place_.reset();
  } else {
    drbg_->pool().generate(0, buffer_.view(), services_.clock.now());
  }
  return buffer_.view();
}

void ThreadDraw::settle(std::size_t delivered) {
  wipe(buffer_.view());
  if (delivered > 0) ++deliveries_;
  if (grade_ == Grade::full) {
    withdrawal_.delivered(delivered);
    withdrawal_ = {};
    full_bytes_ += delivered;
  } else {
    drbg_bytes_ += delivered;
  }
}

void ThreadDraw::report(observe::OutletReport& out) const {
  out.deliveries = deliveries_;
  out.full_bytes = full_bytes_;
  out.drbg_bytes = drbg_bytes_;
}

}  // namespace qanat::serve
