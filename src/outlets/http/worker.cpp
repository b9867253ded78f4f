#include "outlets/http/worker.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>

#include "outlets/http/connection.h"
#include "wire/path.h"

namespace qanat::outlets {

namespace {

// What one read may bring: a TLS record.
constexpr std::size_t scratch_bytes = 16384;

}  // namespace

HttpWorker::HttpWorker(const HttpSettings& settings, const Services& services,
                       share::Visitors& visitors, boost::asio::io_context& context,
                       std::size_t slot, const ServerIdentity* identity, UniqueFd listener)
    : serve::StreamWorker(settings.limits, services.common, visitors, context, slot,
                          std::move(listener)),
      settings_(settings),
      http_(services.http),
      cookies_(services.cookies),
      identity_(identity),
      pool_(HttpConnection::block_bytes),
      ringing_(services.http.live_status.bell().add([this] { call_followers(); })),
      scratch_(scratch_bytes) {}

// Written once for each path that is new: it may be 14 KB.
const std::string& HttpWorker::origin_lines(spec::Grade grade) {
  if (auto now = http_.provenance.all(); now != path_) {
    const auto lines = [&now](spec::Grade of) {
      return fmt::format("{}: {}\r\n{}: {}\r\n", wire::path_header, wire::encode(*now),
                         wire::grade_header, to_string(of));
    };
    std::string full = lines(spec::Grade::full);
    drbg_origin_ = lines(spec::Grade::drbg);
    full_origin_ = std::move(full);
    path_ = std::move(now);
  }
  return grade == spec::Grade::full ? full_origin_ : drbg_origin_;
}

boost::asio::awaitable<void> HttpWorker::serve(serve::Arrival arrival) {
  return HttpConnection::serve(*this, std::move(arrival));
}

// From any thread.
void HttpWorker::call_followers() noexcept {
  // Without any the thread sleeps on.
  if (followers_->count == 0 || followers_->called.exchange(true)) return;
  try {
    boost::asio::post(context_, [followers = followers_] {
      followers->called = false;
      for (serve::StreamConnection* const each : followers->all) each->wake();
    });
  } catch (const std::bad_alloc&) {
    // The next second calls again.
    followers_->called = false;
  }
}

bool HttpWorker::make_room_for_follower(std::uint64_t block) {
  const auto count = [this](std::uint64_t of) {
    const auto found = followers_of_.find(of);
    return found == followers_of_.end() ? 0 : found->second;
  };
  if (count(block) >= limits_.block_followers) return false;
  if (followers_->all.size() < limits_.followers) return true;
  // The oldest of those who have most, if they have more than would be had here.
  const auto most = std::max_element(followers_->all.begin(), followers_->all.end(),
                                     [&](const auto* one, const auto* other) {
                                       const auto weight = [&](const auto* each) {
                                         return each->closing() ? 0 : count(each->peer().block);
                                       };
                                       return weight(one) < weight(other);
                                     });
  if ((*most)->closing() || count((*most)->peer().block) <= count(block) + 1) return false;
  ++counters_.displaced;
  (*most)->close();
  return true;
}

HttpWorker::Follower::Follower(HttpWorker& worker, serve::StreamConnection& connection)
    : worker_(worker), block_(connection.peer().block) {
  place_ = worker.followers_->all.insert(worker.followers_->all.end(), &connection);
  ++worker.followers_->count;
  ++worker.followers_of_[block_];
}

HttpWorker::Follower::~Follower() {
  const auto of_block = worker_.followers_of_.find(block_);
  if (--of_block->second == 0) worker_.followers_of_.erase(of_block);
  worker_.followers_->all.erase(place_);
  --worker_.followers_->count;
}

HttpWorker::Handshake::Handshake(HttpWorker& worker, serve::StreamConnection& connection)
    : worker_(worker) {
  std::size_t& of_block = worker.handshakes_of_[connection.peer().block];
  place_ = worker.handshakes_.insert(worker.handshakes_.end(), &connection);
  ++of_block;
  if (worker.handshakes_.size() <= worker.limits_.handshakes) return;
  const auto count = [&](const serve::StreamConnection* other) {
    return other->closing() ? 0 : worker.handshakes_of_.at(other->peer().block);
  };
  // The first of those that are equal: the oldest.
  const auto most = std::max_element(
      worker.handshakes_.begin(), worker.handshakes_.end(),
      [&](const auto* one, const auto* other) { return count(one) < count(other); });
  (*most)->close();
}

HttpWorker::Handshake::~Handshake() {
  const auto of_block = worker_.handshakes_of_.find((*place_)->peer().block);
  if (--of_block->second == 0) worker_.handshakes_of_.erase(of_block);
  worker_.handshakes_.erase(place_);
}

}  // namespace qanat::outlets
