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
                       const OutletServices& services, std::size_t piece)
    : grade_(grade),
      services_(services),
      flow_(services.dispenser.open_flow(name, terms)),
      drbg_(grade == Grade::drbg ? share::SeededDrbg::make(services.dispenser, 1, services.reseed)
                                 : nullptr),
      buffer_(piece > 0              ? piece
              : grade == Grade::full ? full_piece
                                     : drbg_piece) {}

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

ThreadDraw::Piece ThreadDraw::take() {
  const std::size_t size = buffer_.size();
  if (grade_ == Grade::drbg) {
    drbg_->pool().generate(0, buffer_.view(), services_.clock.now());
    return {*this, buffer_.view(), Delivery::of_drbg(size, counters_)};
  }
  Delivery delivery(place_->collect(buffer_.view()), size, counters_);
  place_.reset();
  return {*this, buffer_.view(), std::move(delivery)};
}

void ThreadDraw::Piece::arrived(std::size_t bytes) {
  delivery_.arrived(bytes, draw_.services_.clock.now());
  ++draw_.counters_.deliveries;
}

void ThreadDraw::report(observe::OutletReport& out) const {
  out.deliveries = counters_.deliveries;
  out.full_bytes = counters_.full_bytes;
  out.drbg_bytes = counters_.drbg_bytes;
}

}  // namespace qanat::serve
