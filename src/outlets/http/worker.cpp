#include "outlets/http/worker.h"

#include <fmt/format.h>

#include <algorithm>

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
