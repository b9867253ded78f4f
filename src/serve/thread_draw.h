// How an outlet with a thread of its own draws: one piece after the other, of either grade.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "base/waker.h"
#include "serve/delivery.h"
#include "serve/outlet.h"
#include "share/seeded_drbg.h"
#include "spec/grade.h"

namespace qanat::serve {

// `stop`, `stopped`, `renew` and `report` from any thread; the rest by the outlet's own.
class ThreadDraw {
 public:
  // Grade full comes from the share of a flow of this name, grade drbg from a DRBG of its own.
  // `piece`: bytes of a piece; 0: as piece_bytes says.
  ThreadDraw(const std::string& name, spec::Grade grade, const share::Terms& terms,
             const OutletServices& services, std::size_t piece = 0);
  ThreadDraw(const ThreadDraw&) = delete;
  ThreadDraw& operator=(const ThreadDraw&) = delete;
  ~ThreadDraw();

  void start();
  // Wakes the thread, for good.
  void stop();
  bool stopped() const { return stopping_; }
  // This machine may be a copy of another.
  void renew();

  // Where none are given: a block of conditioner output, so that little is lost with a peer, of
  // grade full; a page of grade drbg.
  std::size_t piece_bytes() const { return buffer_.size(); }
  // Puts us in line for a piece, unless we are. When it is there, `waker` is woken; but look again
  // after `patience`.
  void ask();
  bool there() const;
  Duration patience() const;
  const Waker& waker() const { return *waker_; }
  enum class Turn { ready, hung_up, stopped };
  // Waits until a piece is there for us, or `fd` (-1: none) is hung up on. When `ready`, the piece
  // is kept until it is taken or forgone.
  Turn await_turn(int fd);
  // What was awaited. One at a time: the next is taken after this has ended, which wipes it.
  class Piece {
   public:
    Piece(ThreadDraw& draw, MutableBytes bytes, Delivery delivery)
        : draw_(draw), bytes_(bytes), delivery_(std::move(delivery)) {}
    Piece(const Piece&) = delete;
    Piece& operator=(const Piece&) = delete;
    ~Piece() { wipe(bytes_); }

    Bytes bytes() const { return bytes_; }
    // The first so many, at least one; the rest is lost.
    void arrived(std::size_t bytes);

   private:
    ThreadDraw& draw_;
    const MutableBytes bytes_;
    Delivery delivery_;
  };
  Piece take();
  // Others may have it.
  void forgo();

  const DeliveryCounters& counters() const { return counters_; }
  // Adds deliveries and bytes of each grade.
  void report(observe::OutletReport& out) const;

 private:
  const spec::Grade grade_;
  const OutletServices& services_;
  const share::Flow flow_;
  const std::shared_ptr<share::SeededDrbg> drbg_;  // of grade drbg
  // Shared with callbacks that may come after the outlet has ended.
  const std::shared_ptr<Waker> waker_ = std::make_shared<Waker>();
  std::atomic<bool> stopping_{false};
  SecretBytes buffer_;
  std::optional<share::Ticket> place_;  // of grade full
  DeliveryCounters counters_;
};

}  // namespace qanat::serve
