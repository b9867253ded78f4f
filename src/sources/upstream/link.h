// One other node as an upstream knows it: a connection, and whether its bytes are worth anything.
#pragma once

#include "base/mutex.h"
#include "entropy/block_tests.h"
#include "entropy/relay.h"
#include "peers/http_client.h"
#include "peers/trickle_client.h"
#include "wire/path.h"

namespace qanat::sources {

// Used by one thread, but for `blocks`, `name` and `trickle`.
class UpstreamLink {
 public:
  // `own_id`: this node's; bytes that passed it before are refused. `stop` ends what it does.
  // `cookie_directory`: where trickle's cookies are kept; empty: in memory.
  UpstreamLink(peers::Endpoint endpoint, std::string own_id, const std::string& cookie_directory,
               const Waker& stop);

  // What has arrived, besides the bytes.
  struct Transfer {
    // Why they count nothing, though they may be mixed in: empty when they count.
    std::string distrust;
    wire::Path path;  // the nodes that they passed
  };
  // Fills `out` with bytes of grade full, for which we stay in the server's line so long, or drbg.
  // Tested here too: FIPS 140-2 blocks (two in a row), 4-bit blocks, a transfer that came before, a
  // path that leads through this node.
  tl::expected<Transfer, peers::ClientError> fetch(MutableBytes out, bool full, Duration wait);

  // The same by trickle, in one round trip and without a line: `full` tells the grade that came. An
  // upstream says nothing of a path there: what comes is for this machine alone, not to be passed
  // on. Trouble::unreachable: not by this way, now; `fetch` may do.
  tl::expected<Transfer, peers::ClientError> seed(MutableBytes out, bool& full);
  // The same from a pollen server: seeds of its DRBG, a question for each 64 bytes.
  bool pollen() const { return client_.endpoint().pollen; }
  tl::expected<Transfer, peers::ClientError> fetch_pollen(MutableBytes out);
  // After a fetch, and once nobody waits for bytes: sees to it that the next seed can come by
  // trickle.
  void prepare_seeds();
  bool wants_session() const { return trickle_.wants_session(); }
  const peers::TrickleClientCounters& trickle() const { return trickle_.counters(); }

  // The server's key: the pinned one, or the one it has shown; nullopt before that, or without TLS.
  std::optional<crypto::Pin> key();
  std::string name() const { return client_.endpoint().text(); }
  entropy::BlockTests::Counts blocks() const;
  // This machine may be a copy of another: no more of the connection and the cookies that the other
  // has too.
  void renew() {
    client_.disconnect();
    trickle_.renew();
  }
  void disconnect() { client_.disconnect(); }

 private:
  bool judge_blocks(Bytes bytes);
  std::string judge(Bytes bytes, const std::optional<wire::Path>& path);

  const std::string own_id_;
  peers::HttpClient client_;
  peers::TrickleClient trickle_;
  bool fetched_ = false;  // since prepare_seeds
  entropy::ReplayCheck replay_;
  mutable Mutex mutex_;
  entropy::BlockTests block_tests_ GUARDED_BY(mutex_);
  int fips_failed_in_row_ = 0;
};

}  // namespace qanat::sources
