// Whole sources and clients of ours, in this process, against arbitrary servers over real sockets:
// whatever a server says, they end when it hangs up, the ledger balances, and nothing is credited
// that nobody vouches for.
//
// The first byte of an input names who asks, the rest is the server's script (script.h), of which
// each connection plays a part, up to its reset:
//   h the HTTP client, s the same with TLS, u an upstream, p a pollen server's, e egd, r raw,
//   n netrng, b broker, v vmport; E, R, N, B the same sources at work in a node, with their tests;
//   P the outlet that delivers to a broker
// or what this machine itself gives:
//   f a file, x a command
// and the server's own orders:
//   b, B, P: ff 'H'      a hello that is right
//   b, B: ff 'S' n       the next n bytes, sealed as a payload
//   v: ff 'F' kind n     a host's frame, with a seed of the next n bytes
//   h, u, p: ff 'C' n    the next n bytes as the body of an answer that is right
//   u: ff 'U' n n        so many bytes, all different, as the body of an answer that is right
#include <fmt/core.h>
#include <netinet/in.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "books.h"
#include "net/listen.h"
#include "outlets/broker/producer.h"
#include "peers/http_client.h"
#include "script.h"
#include "sources/registry.h"
#include "sources/source.h"
#include "sources/upstream/names.h"
#include "support/test_hub.h"
#include "wire/broker_session.h"
#include "wire/vmport.h"

namespace qanat::fuzz {
namespace {

using namespace std::chrono_literals;

// Of what one connection of ours says and what a client takes; an endless body has no end.
constexpr std::size_t most_heard = 256 << 10;
constexpr int most_reads = 64;
// A server waits so long for a question before it goes on with its script.
constexpr int question_milliseconds = 3;

// Plays a script on a thread of its own, over TCP and over a UNIX socket.
class Server {
 public:
  Server() {
    directory.write("auth", "joe\npassword\n");
    tcp_ = net::listen_tcp({"127.0.0.1", 0});
    port = net::local_port(tcp_.get());
    unix_ = net::listen_unix(path(), 0600);
    thread_ = std::thread([this] { run(); });
  }
  ~Server() {
    {
      const std::scoped_lock lock(mutex_);
      ended_ = true;
    }
    waker_.wake();
    thread_.join();
  }
  std::string path() const { return directory / "socket"; }

  // `script` is valid until `end` has returned.
  void begin(std::uint8_t kind, Script script) {
    const std::scoped_lock lock(mutex_);
    kind_ = kind;
    script_ = script;
    over_ = false;
  }
  // Waits until the script has been played; false when nobody came to hear it.
  bool await(std::chrono::milliseconds limit) {
    std::unique_lock lock(mutex_);
    return played_.wait_for(lock, limit, [this] { return over_; });
  }
  // From now on everybody is hung up on at once; who is being served first is waited for.
  void end() {
    std::unique_lock lock(mutex_);
    over_ = true;
    played_.wait(lock, [this] { return !playing_; });
  }

  const Directory directory;
  std::uint16_t port = 0;

 private:
  void run() {
    for (;;) {
      pollfd ready[] = {
          {tcp_.get(), POLLIN, 0}, {unix_.get(), POLLIN, 0}, {waker_.fd(), POLLIN, 0}};
      if (::poll(ready, 3, -1) < 0) continue;
      std::unique_lock lock(mutex_);
      if (ended_) return;
      for (const auto& one : ready) {
        if (one.fd == waker_.fd() || one.revents == 0) continue;
        UniqueFd fd(::accept4(one.fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!fd) continue;
        if (over_) {
          reset(fd);
          continue;
        }
        Script script = script_;
        const std::uint8_t kind = kind_;
        playing_ = true;
        lock.unlock();
        play(kind, fd, script);
        reset(fd);
        lock.lock();
        playing_ = false;
        script_ = script;
        // Only these come again at once.
        const bool again = kind == 'h' || kind == 's' || kind == 'v';
        if (script.over() || !again) over_ = true;
        played_.notify_all();
      }
    }
  }

  static void play(std::uint8_t kind, const UniqueFd& fd, Script& script) {
    Said out;
    Said heard;
    std::optional<wire::broker::Session> session;
    const wire::broker::Hello hello{"sha512", "sha512", "blowfish", "7"};
    std::uint8_t order = 0;
    // Who asks is heard first, where one asks.
    if (std::string_view("rRbBPv").find(static_cast<char>(kind)) == std::string_view::npos)
      listen(fd, heard, 20 * question_milliseconds);
    do {
      order = script.say(out);
      switch (order) {
        case 'H':
          append(out, encode(hello));
          session.emplace(hello, "password");
          break;
        case 'S': {
          if (!session) break;
          const Bytes bytes = script.bytes(script.byte());
          Said frame(session->sealed_bytes(bytes.size()));
          std::copy(bytes.begin(), bytes.end(),
                    frame.begin() + static_cast<std::ptrdiff_t>(session->digest_bytes()));
          session->seal(frame);
          append(out, frame);
          break;
        }
        case 'F': {
          wire::vmport::HostFrame frame;
          const std::uint8_t what = script.byte();
          frame.kind = static_cast<wire::vmport::Kind>(1 + what % 3);
          frame.full = (what & 4) != 0;
          frame.wait = what >> 3;
          if (frame.kind != wire::vmport::Kind::refusal) {
            frame.seed = script.bytes(1 + script.byte() % wire::vmport::most_seed);
            if (frame.seed.empty()) break;
          }
          Said bytes(wire::vmport::host_frame_bytes);
          encode(frame, bytes);
          append(out, bytes);
          break;
        }
        case 'C':
          answer(out, script.bytes(script.byte()));
          break;
        case 'U': {
          Said body(std::min<std::size_t>(script.number(), 8192));
          static std::uint64_t state = 1;
          for (auto& byte : body)
            byte = static_cast<std::uint8_t>(
                (state = state * 6364136223846793005U + 1442695040888963407U) >> 56);
          answer(out, body);
          break;
        }
        default:
          break;
      }
      if (order == 'p' || order == 'l' || order == 'h' || order == 'x' || order == 0 ||
          out.size() > most_heard) {
        if (!send_some(fd.get(), out)) return;
        out.clear();
      }
      if (order == 'p' || order == 'l') listen(fd, heard, question_milliseconds);
      if (order == 'h') ::shutdown(fd.get(), SHUT_WR);
    } while (order != 'x' && order != 0);
    // What was said is read before the end comes.
    ::shutdown(fd.get(), SHUT_WR);
    while (heard.size() < most_heard && listen(fd, heard, question_milliseconds)) continue;
  }

  static void answer(Said& out, Bytes body) {
    append(out,
           as_bytes(fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.size())));
    append(out, body);
  }
  // False at the end, or when nothing comes.
  static bool listen(const UniqueFd& fd, Said& heard, int milliseconds) {
    return wait_ready(fd.get(), POLLIN, milliseconds) && receive_some(fd.get(), heard, most_heard);
  }

  UniqueFd tcp_;
  UniqueFd unix_;
  const Waker waker_;
  std::mutex mutex_;
  std::condition_variable played_;
  std::uint8_t kind_ = 0;
  Script script_{Bytes()};
  bool over_ = true;
  bool playing_ = false;
  bool ended_ = false;
  std::thread thread_;
};

Server& server() {
  static Server one;
  return one;
}

std::string source_name(std::uint8_t kind) {
  const std::string at = fmt::format("127.0.0.1:{}", server().port);
  switch (kind) {
    case 'u':
      return "http://" + at + "?credit=yes";
    case 'p':
      return "http://" + at + "?pollen=yes";
    case 'v':
      return "vmport:" + server().path();
    case 'e':
    case 'E':
      return "egd://" + at;
    case 'r':
    case 'R':
      return "raw://" + at;
    case 'n':
    case 'N':
      return "netrng://" + at;
    default:
      return fmt::format("broker://joe:{}@{}", server().directory / "auth", at);
  }
}

// A client that asks twice, on one connection if that lasts.
void ask_http(bool tls) {
  peers::Endpoint endpoint;
  endpoint.address = {"127.0.0.1", server().port};
  endpoint.tls = tls;
  endpoint.trust.pin = crypto::Pin{};
  const Waker never;
  peers::HttpClient client(std::move(endpoint), never);
  for (int i = 0; i < 2; ++i) {
    std::size_t heard = 0;
    const auto response = client.get("/v1/random?bytes=512&grade=full", [&](Bytes piece) {
      heard += piece.size();
      return heard < most_heard;
    });
    must(!response || (response->status == 200 && response->body_bytes >= heard));
    must(response || !response.error().message.empty());
    const auto text = client.text("GET", "/v1/status", "", 1000);
    must(!text || text->size() <= 1000);
  }
}

// As a node does, but that it reads as fast as it can.
void read_source(const std::string& name) {
  const auto source = sources::make_probe(name);
  must(source != nullptr);
  const Waker never;
  if (source->open(never)) {
    Said out(512);
    for (int i = 0; i < most_reads; ++i) {
      const auto got = source->read(out, never);
      if (!got) break;
      must(*got <= out.size());
    }
  }
  source->close();
}

// What comes of this machine: the script is all that it says.
void read_local(std::uint8_t kind, Script script) {
  Said said;
  while (script.say(said) != 0) continue;
  const Directory& directory = server().directory;
  directory.write("said", {reinterpret_cast<const char*>(said.data()), said.size()});
  read_source(fmt::format("{}{}", kind == 'f' ? "file:" : "exec:cat ", directory / "said"));
}

// `vouched`: what comes may be credited.
void run_source(const std::string& name, bool vouched) {
  Books books;
  const auto source = sources::is_upstream(name)
                          ? sources::make_upstream({name}, {}, books.services)
                          : sources::make_source(name, books.services);
  books.dispenser.on_demand([&source] { source->wake(); });
  source->start();
  source->wake();
  server().await(100ms);
  source->request_stop();
  must(source->join(10s));
  server().end();
  must(vouched || books.dispenser.report().total.credited == 0);
  books.dispenser.on_demand([] {});
}

// The outlet that brings bytes to somebody else's broker.
void deliver() {
  static test::TestHub hub;
  if (hub.dispenser.available() < 4096) hub.credit(4096);
  {
    outlets::BrokerProducer producer(
        "producer", {"joe", server().directory / "auth", {"127.0.0.1", server().port}},
        spec::Grade::full, {}, hub.services());
    producer.start();
    server().await(100ms);
    producer.stop();
  }
  const auto report = hub.dispenser.report();
  must(report.total.balanced() && report.in_flight == 0 && report.waiting_requests == 0);
}

}  // namespace
}  // namespace qanat::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace qanat::fuzz;
  const auto input = read_input(data, size, "hsupernbvERNBPfx");
  if (!input) return 0;
  const std::uint8_t kind = input->kind;
  server().begin(kind, input->script);
  switch (kind) {
    case 'h':
    case 's':
      ask_http(kind == 's');
      break;
    case 'e':
    case 'r':
    case 'n':
    case 'b':
      read_source(source_name(kind));
      break;
    case 'f':
    case 'x':
      read_local(kind, input->script);
      break;
    case 'P':
      deliver();
      break;
    case 'u':
    case 'p':
    case 'v':
      run_source(source_name(kind), true);
      break;
    default:
      run_source(source_name(kind), false);
      break;
  }
  server().end();
  return 0;
}
