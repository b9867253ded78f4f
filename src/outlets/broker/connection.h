// One peer of Entropy Broker's protocol: a consumer, or a producer.
#pragma once

#include "outlets/broker/broker.h"
#include "serve/stream_connection.h"

namespace qanat::outlets {

class BrokerWorker final : public serve::StreamWorker {
 public:
  BrokerWorker(Broker& outlet, const serve::OutletServices& services, share::Visitors& visitors,
               boost::asio::io_context& context, std::size_t slot, UniqueFd listener);

 private:
  friend class BrokerConnection;

  boost::asio::awaitable<void> serve(serve::Arrival arrival) override;

  Broker& outlet_;
  SecretPool pool_;
};

class BrokerConnection final : public serve::StreamConnection {
 public:
  // A message or a login, or a payload; and an answer.
  static constexpr std::size_t inbox_bytes =
      wire::broker::message_bytes + wire::broker::most_digest + wire::broker::most_bytes;
  static constexpr std::size_t outbox_bytes = inbox_bytes;

  BrokerConnection(BrokerWorker& worker, serve::Arrival arrival);
  ~BrokerConnection() override;

  Task<void> run();

 private:
  using Code = wire::broker::Code;

  Task<bool> log_in();
  Task<bool> converse();
  Task<bool> answer(wire::broker::Message message);
  Task<bool> give(std::uint32_t bits);
  Task<bool> give_full(std::size_t bytes);
  Task<bool> give_drbg(std::size_t bytes);
  bool prepare(std::size_t bytes, TimePoint now);
  Task<bool> accept(std::uint32_t bits);
  Task<bool> skip_string(std::uint32_t length);
  Task<bool> speak_up();
  // At least `bytes` in the inbox, before the deadline.
  Task<bool> fill(std::size_t bytes);
  Task<bool> say(Code code, std::uint32_t value);
  Task<bool> refuse(Code code, Duration wait);
  bool malformed();
  Bytes inbox() const { return Bytes(buffer_.view()).first(received_); }
  void consume(std::size_t bytes);
  TimePoint next_word() const;
  std::size_t digest_bytes() const { return session_->digest_bytes(); }

  BrokerWorker& broker_;
  SecretPool::Lease buffer_;
  MutableBytes outbox_;
  std::size_t received_ = 0;
  std::shared_ptr<BrokerUser> user_;
  std::shared_ptr<serve::Inflow> inflow_;  // of one that delivers
  entropy::Epoch epoch_ = 0;               // in which it began to
  std::optional<wire::broker::Session> session_;
  std::size_t prepared_ = 0;  // bytes of grade drbg that stand sealed in the outbox
  TimePoint prepared_at_{};
  TimePoint heard_{};  // when it last said something
  TimePoint pinged_{};
  std::uint32_t pings_ = 0;
  bool sent_away_ = false;   // a producer was told that we are full
  bool went_empty_ = false;  // a consumer was told that there is nothing
};

}  // namespace qanat::outlets
