// Whole outlets of a whole node, in this process, against arbitrary peers over real sockets. What
// they answer keeps to the protocol and to its bounds, every connection ends with its peer, and the
// ledger balances. Blocks of secret memory are apart (base/secret.h): an overflow is seen.
//
// The first byte of an input names the outlet, the rest is the peer's script (script.h):
//   h http, c the control socket, s https (with TLS), e egd, E egd of grade full, r raw of grade
//   full, n netrng, b broker, B broker once logged in, v vmport, t trickle
// and its own orders:
//   s: ff 'P'                  the header that proves who we are
//   B: ff 'S' n                the next n bytes, sealed as a payload
//   v: ff 'F' id n full        a guest's frame
// Trickle's datagrams are in datagrams.cpp.
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <thread>

#include "crypto/legacy.h"
#include "net/connect.h"
#include "node/node.h"
#include "peers/http_client.h"
#include "script.h"
#include "wire/broker_session.h"
#include "wire/egd.h"
#include "wire/join_string.h"
#include "wire/proof.h"
#include "wire/vmport.h"

namespace qanat::fuzz {
namespace {

using namespace std::chrono_literals;

// Of all that a peer hears; a stream has no end.
constexpr std::size_t most_heard = 64 << 10;

std::uint16_t free_port() {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  must(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
  socklen_t size = sizeof at;
  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&at), &size);
  return ntohs(at.sin_port);
}

// The node, for as long as the process runs.
class Hub {
 public:
  Hub() {
    directory.write("users", "joe|password|0\n");
    node::NodeSettings settings;
    settings.state_path = directory / "state";
    // As few samples for a block as may be: they cost most of the time.
    settings.config.reserve_bytes = 16 << 10;
    settings.config.sources = {"kernel?credit=yes&h=8"};
    settings.config.outlets = {
        fmt::format("http://127.0.0.1:{}", http),
        fmt::format("https://127.0.0.1:{}?access=join", https),
        fmt::format("egd:{}?grade=drbg", directory / "egd"),
        fmt::format("egd:{}", directory / "egd-full"),
        fmt::format("raw:{}", directory / "raw"),
        fmt::format("netrng://127.0.0.1:{}?grade=drbg", netrng),
        fmt::format("broker://127.0.0.1:{}?users={}&grade=drbg", broker, directory / "users"),
        fmt::format("vmport:{}", directory / "vmport"),
    };
    node = std::make_unique<node::Node>(std::move(settings));
    node->start();
    while (!node->report().ready) std::this_thread::sleep_for(1ms);
    const Waker never;
    peers::HttpClient control(peers::unix_endpoint(node->state().control_socket()), never);
    const auto answer = control.text("POST", "/control/invite", "{\"name\": \"leaf\"}");
    must(answer.has_value());
    const std::size_t begin = answer->find("qanat1.");
    leaf = *wire::decode_join_string(answer->substr(begin, answer->find('"', begin) - begin));
    net::ClientTls trust;
    trust.pin = leaf.pin;
    tls = net::make_client_context(trust);
  }
  ~Hub() {
    must(node->stop(10s));
    must(node->report().dispenser.total.balanced());
  }

  const std::uint16_t http = free_port();
  const std::uint16_t https = free_port();
  const std::uint16_t netrng = free_port();
  const std::uint16_t broker = free_port();
  const Directory directory;
  std::unique_ptr<node::Node> node;
  wire::JoinString leaf;
  crypto::SslCtxPtr tls;
};

Hub& hub() {
  static Hub one;
  return one;
}

UniqueFd connect_to(std::uint16_t port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  must(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
  return fd;
}

UniqueFd connect_to(const std::string& path) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  path.copy(at.sun_path, sizeof at.sun_path - 1);
  must(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
  return fd;
}

std::string_view text(const Said& said) {
  return {reinterpret_cast<const char*>(said.data()), said.size()};
}

// Answers, one after the other, the last of which may be cut: each has a status line, headers of
// bounded size, and a body of the length that was told.
void check_http(std::string_view heard) {
  while (!heard.empty()) {
    const std::string_view start = "HTTP/1.1 ";
    must(heard.starts_with(start.substr(0, heard.size())));
    const std::size_t end = heard.find("\r\n\r\n");
    if (end == std::string_view::npos) {
      must(heard.size() < 16384);
      return;
    }
    const std::string_view head = heard.substr(0, end + 2);
    must(head.size() >= 12 && head[9] >= '2' && head[9] <= '5');
    heard.remove_prefix(end + 4);
    const std::string_view length_name = "\r\nContent-Length: ";
    const std::size_t length_at = head.find(length_name);
    if (length_at != std::string_view::npos) {
      const std::size_t length =
          std::strtoull(head.data() + length_at + length_name.size(), nullptr, 10);
      heard.remove_prefix(std::min(length, heard.size()));
      continue;
    }
    must(head.find("\r\nTransfer-Encoding: chunked\r\n") != std::string_view::npos);
    for (;;) {
      const std::size_t line = heard.find("\r\n");
      if (line == std::string_view::npos) {
        must(heard.size() < 16384);
        return;
      }
      std::size_t digits = 0;
      const std::size_t size = std::stoull(std::string(heard.substr(0, line)), &digits, 16);
      must(digits > 0);
      heard.remove_prefix(line + 2);
      if (heard.size() < size + 2) return;
      must(heard.substr(size, 2) == "\r\n");
      heard.remove_prefix(size + 2);
      if (size == 0) break;
    }
  }
}

void check_vmport(Bytes heard, std::size_t said) {
  using namespace wire::vmport;
  // One unasked for each connection.
  must(heard.size() / host_frame_bytes <= 1 + said / guest_frame_bytes);
  for (; heard.size() >= host_frame_bytes; heard = heard.subspan(host_frame_bytes)) {
    must(decode_host(heard.first(host_frame_bytes)).has_value());
  }
}

// A peer over a stream.
class StreamPeer {
 public:
  StreamPeer(std::uint8_t kind, Script script) : kind_(kind), script_(script) { connect(); }

  void play() {
    std::uint8_t order = 0;
    do {
      out_.clear();
      order = script_.say(out_);
      if (!out_.empty()) say(out_);
      if (order != 0) obey(order);
    } while (order != 0 && heard_.size() < most_heard);
    // It has said all: what comes still, until the other side ends or is silent.
    ::shutdown(fd_.get(), SHUT_WR);
    while (heard_.size() < most_heard && wait_ready(fd_.get(), POLLIN, 20)) {
      if (!listen(most_heard - heard_.size())) break;
    }
    check();
    disconnect();
  }

 private:
  void connect() {
    const Directory& directory = hub().directory;
    fd_ = kind_ == 'c'                   ? connect_to(hub().node->state().control_socket())
          : kind_ == 'e'                 ? connect_to(directory / "egd")
          : kind_ == 'E'                 ? connect_to(directory / "egd-full")
          : kind_ == 'r'                 ? connect_to(directory / "raw")
          : kind_ == 'v'                 ? connect_to(directory / "vmport")
          : kind_ == 'n'                 ? connect_to(hub().netrng)
          : kind_ == 'b' || kind_ == 'B' ? connect_to(hub().broker)
          : kind_ == 's'                 ? connect_to(hub().https)
                                         : connect_to(hub().http);
    if (kind_ == 's') {
      const timeval limit{1, 0};
      ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
      ssl_.reset(SSL_new(hub().tls.get()));
      SSL_set_fd(ssl_.get(), fd_.get());
      // A hub that is busy with what an earlier peer left may refuse.
      if (SSL_connect(ssl_.get()) != 1) ssl_.reset();
      // From here on what has not come is not waited for.
      ::fcntl(fd_.get(), F_SETFL, ::fcntl(fd_.get(), F_GETFL) | O_NONBLOCK);
    }
    if (kind_ == 'B') log_in();
  }

  void log_in() {
    namespace broker = wire::broker;
    broker::Hello hello;
    std::size_t used = 0;
    while (decode(Bytes(heard_), hello, used) == wire::Status::incomplete) {
      if (!wait_ready(fd_.get(), POLLIN, 1000) || !receive_some(fd_.get(), heard_, most_heard))
        return;
    }
    const auto proof = broker::prove(hello.hash, hello.challenge, "password");
    const bool delivers = script_.byte() % 2 == 1;
    say(encode(broker::Login{"joe", proof, delivers, "fuzz"}));
    session_.emplace(hello, "password");
  }

  void say(Bytes bytes) {
    said_ += bytes.size();
    if (ssl_) {
      // All or nothing of it: a hub that does not read is written to no more.
      if (SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) <= 0)
        ERR_clear_error();
      return;
    }
    send_some(fd_.get(), bytes);
  }

  bool listen(std::size_t most) {
    if (!ssl_) return receive_some(fd_.get(), heard_, most);
    std::uint8_t piece[16384];
    const int got = SSL_read(ssl_.get(), piece, static_cast<int>(std::min(most, sizeof piece)));
    if (got <= 0) {
      const bool later = SSL_get_error(ssl_.get(), got) == SSL_ERROR_WANT_READ;
      ERR_clear_error();
      return later;
    }
    heard_.insert(heard_.end(), piece, piece + got);
    return true;
  }

  void obey(std::uint8_t order) {
    switch (order) {
      case 'p':
        if (wait_ready(fd_.get(), POLLIN, 2)) listen(most_heard);
        break;
      case 'l':
        if (wait_ready(fd_.get(), POLLIN, 2)) listen(16 * std::size_t{script_.byte()});
        break;
      case 'h':
        ::shutdown(fd_.get(), SHUT_WR);
        break;
      case 'x':
        check();
        disconnect();
        if (++connections_ <= 4) connect();
        break;
      case 'P':
        if (ssl_) prove();
        break;
      case 'S':
        if (session_) seal(script_.bytes(script_.byte()));
        break;
      case 'F': {
        wire::vmport::GuestFrame frame;
        frame.id = script_.byte();
        frame.bytes = 1 + script_.byte() % wire::vmport::most_seed;
        frame.full_only = script_.byte() % 2 == 1;
        say(encode(frame));
        break;
      }
      default:
        break;
    }
  }

  void prove() {
    WipedArray<wire::exporter_bytes> exporter;
    net::export_keying_material(ssl_.get(), wire::exporter_label, exporter.view());
    const auto proof = make_proof(wire::Prover::client, hub().leaf.key.view(), exporter.view());
    const std::string line =
        "Authorization: " + encode(wire::Authorization{"leaf", proof}) + "\r\n";
    say(as_bytes(line));
  }

  void seal(Bytes bytes) {
    Said frame(session_->sealed_bytes(bytes.size()));
    std::copy(bytes.begin(), bytes.end(),
              frame.begin() + static_cast<std::ptrdiff_t>(session_->digest_bytes()));
    session_->seal(frame);
    say(frame);
  }

  void check() const {
    switch (kind_) {
      case 'h':
      case 'c':
      case 's':
        // What HEAD asks for has no body, and which answer that is cannot be told here.
        if (!head_asked_) check_http(text(heard_));
        break;
      case 'e':
      case 'E':
        must(heard_.size() <= 4 + 256 * said_);
        break;
      case 'v':
        check_vmport(heard_, said_);
        break;
      case 'n':
        must(heard_.size() <= (said_ + 8) * 1024);
        break;
      default:
        break;
    }
  }

  void disconnect() {
    heard_.clear();
    said_ = 0;
    ssl_.reset();
    session_.reset();
    reset(fd_);
  }

  const std::uint8_t kind_;
  Script script_;
  UniqueFd fd_;
  crypto::SslPtr ssl_;
  std::optional<wire::broker::Session> session_;
  Said out_;
  Said heard_;
  std::size_t said_ = 0;
  int connections_ = 0;

 public:
  bool head_asked_ = false;
};

// Once their peers have gone, connections end.
void await_rest(std::uint8_t kind) {
  // A wrong password is answered after a second, whether anybody hears it or not.
  if (kind == 'b' || kind == 'B') return;
  const auto end = std::chrono::steady_clock::now() + 15s;
  for (;;) {
    const auto report = hub().node->report();
    must(report.dispenser.total.balanced());
    std::uint64_t open = 0;
    for (const auto& outlet : report.outlets) {
      if (!outlet.name.starts_with("broker:")) open += outlet.connections;
    }
    if (open == 0) return;
    must(std::chrono::steady_clock::now() < end);
    std::this_thread::yield();
  }
}

}  // namespace
}  // namespace qanat::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace qanat::fuzz;
  const auto input = read_input(data, size, "hcseErnbBv");
  if (!input) return 0;
  StreamPeer peer(input->kind, input->script);
  peer.head_asked_ = text_of(data, size).find("HEAD") != std::string_view::npos;
  peer.play();
  await_rest(input->kind);
  return 0;
}
