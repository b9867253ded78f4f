// One other node as an upstream knows it: a connection, and whether its bytes are worth anything.
#pragma once

#include <mutex>

#include "entropy/block_tests.h"
#include "net/http_client.h"
#include "wire/path.h"

namespace qanat::sources {

// Used by one thread, but for `blocks`.
class UpstreamLink {
 public:
  // `own_id`: this node's; bytes that passed it before are refused. `stop` ends what it does.
  UpstreamLink(net::Endpoint endpoint, std::string own_id, const Waker& stop);

  // What has arrived, besides the bytes.
  struct Transfer {
    // Why they count nothing, though they may be mixed in: empty when they count.
    std::string distrust;
    wire::Path path;  // the nodes that they passed
  };
  // Fills `out` with bytes of grade full, for which we stay in the server's line so long, or drbg.
  // Tested here too: FIPS 140-2 blocks (two in a row), 4-bit blocks, a transfer that came before, a
  // path that leads through this node.
  tl::expected<Transfer, net::ClientError> fetch(MutableBytes out, bool full, Duration wait);

  // The server's key: the pinned one, or the one it has shown; nullopt before that, or without TLS.
  std::optional<crypto::Pin> key() const;
  std::string name() const { return client_.endpoint().text(); }
  entropy::BlockTests::Counts blocks() const;
  void disconnect() { client_.disconnect(); }

 private:
  bool judge_blocks(Bytes bytes);
  std::string judge(Bytes bytes, const std::optional<wire::Path>& path);

  const std::string own_id_;
  net::HttpClient client_;
  std::array<std::uint8_t, 32> last_digest_{};
  mutable std::mutex mutex_;
  entropy::BlockTests block_tests_;
  int fips_failed_in_row_ = 0;
};

}  // namespace qanat::sources
