#include "serve/delivery.h"

namespace qanat::serve {

void count(DeliveryCounters& counters, share::Client* client, spec::Grade grade, std::size_t bytes,
           TimePoint now) {
  const bool full = grade == spec::Grade::full;
  (full ? counters.full_bytes : counters.drbg_bytes) += bytes;
  if (client == nullptr) return;
  (full ? client->full_bytes : client->drbg_bytes) += bytes;
  client->recent_bytes.add(bytes, now);
}

Delivery Delivery::of_drbg(std::size_t bytes, DeliveryCounters& counters,
                           std::shared_ptr<share::Client> client) {
  Delivery made;
  made.bytes_ = bytes;
  made.counters_ = &counters;
  made.client_ = std::move(client);
  return made;
}

Delivery::Delivery(Delivery&& other) noexcept
    : withdrawal_(std::move(other.withdrawal_)),
      grade_(other.grade_),
      bytes_(std::exchange(other.bytes_, 0)),
      counters_(other.counters_),
      client_(std::move(other.client_)) {}

// What was ours before ends with `other`.
Delivery& Delivery::operator=(Delivery&& other) noexcept {
  std::swap(withdrawal_, other.withdrawal_);
  std::swap(grade_, other.grade_);
  std::swap(bytes_, other.bytes_);
  std::swap(counters_, other.counters_);
  std::swap(client_, other.client_);
  return *this;
}

Delivery::~Delivery() {
  if (bytes_ > 0 && grade_ == spec::Grade::full) counters_->undelivered += bytes_;
}

void Delivery::append(Delivery&& other) {
  if (bytes_ == 0) {
    *this = std::move(other);
    return;
  }
  withdrawal_.append(std::move(other.withdrawal_));
  bytes_ += std::exchange(other.bytes_, 0);
}

void Delivery::arrived(std::size_t bytes, TimePoint now) {
  if (bytes_ == 0) return;
  if (grade_ == spec::Grade::full) {
    withdrawal_.delivered(bytes);
    withdrawal_ = {};
  }
  bytes_ = 0;
  count(*counters_, client_.get(), grade_, bytes, now);
}

DrawnBytes::DrawnBytes(SecretPool& pool, std::size_t size) : size_(size) {
  if (size <= pool.block_size()) {
    pooled_ = pool.lease();
  } else {
    large_ = SecretBytes(size);
  }
}

DrawnBytes& DrawnBytes::operator=(DrawnBytes&& other) noexcept {
  std::swap(pooled_, other.pooled_);
  std::swap(large_, other.large_);
  std::swap(size_, other.size_);
  return *this;
}

MutableBytes DrawnBytes::view() {
  if (size_ == 0) return {};
  if (!large_.empty()) return large_.view();
  return pooled_.view().first(size_);
}

}  // namespace qanat::serve
