#include "outlets/http_worker.h"

#include <fmt/format.h>

#include "outlets/http_connection.h"
#include "wire/path.h"

namespace qanat::outlets {

namespace {

// What one read may bring: a TLS record.
constexpr std::size_t scratch_bytes = 16384;

}  // namespace

HttpWorker::HttpWorker(const HttpSettings& settings, const OutletServices& services,
                       share::Visitors& visitors, boost::asio::io_context& context,
                       std::size_t slot, const ServerIdentity* identity, UniqueFd listener)
    : StreamWorker(settings.limits, services, visitors, context, slot, std::move(listener)),
      settings_(settings),
      identity_(identity),
      pool_(HttpConnection::block_bytes),
      scratch_(scratch_bytes) {}

// Written once for each that is new: it may be 14 KB.
const std::string& HttpWorker::path_line() {
  if (auto now = services_.provenance.all(); now != path_) {
    path_ = std::move(now);
    path_line_ = fmt::format("{}: {}\r\n", wire::path_header, wire::encode(*path_));
  }
  return path_line_;
}

boost::asio::awaitable<void> HttpWorker::serve(Arrival arrival) {
  return HttpConnection::serve(*this, std::move(arrival));
}

HttpWorker::Handshake::Handshake(HttpWorker& worker, StreamConnection& connection)
    : worker_(worker), place_(worker.handshakes_.insert(worker.handshakes_.end(), &connection)) {
  if (worker.handshakes_.size() > worker.limits_.handshakes) worker.handshakes_.front()->close();
}

}  // namespace qanat::outlets
