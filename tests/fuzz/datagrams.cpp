// Whole peers of ours over UDP, in this process, against arbitrary ones over real sockets on
// loopback: some of what is said is authentic, some was changed before it was sealed, and some
// after.
//
// The first byte of an input names who is driven, the rest is the other side's script (script.h):
//   t trickle's outlet
//     ff '.'                             what was said so far is a datagram
//     ff 'Q' n n grade cookies who       a question; `who` names the client and its cookie's kind
//     ff 'M' spoil                       the last question again, changed (see `spoil`)
//     ff 'A' spoil spoil                 the last question with another header and id, and with
//                                        another content in its cookie, authentic all the same
//     ff 'C' n                           16 * n bytes of full entropy arrive
//   c trickle's client, which asks as the next three bytes say
//     ff '.'                             what was said so far is a datagram
//     ff 'A' grade n n cookies spoil spoil   a reply, changed before and after it was sealed
//     ff 'R' reason n n spoil            a refusal, changed after it was sealed
//     ff 'p'                             the question is answered with a refusal that is right
//   r rngnet's source, R the same, credited; datagrams of 16 bytes are right
//     ff '.'                             what was said so far is a datagram
//     ff 'e'                             the node is renewed
// The outlet of rngnet hears nobody.
#include <fmt/core.h>
#include <netinet/in.h>

#include <atomic>
#include <condition_variable>
#include <ctime>
#include <map>
#include <set>
#include <thread>

#include "books.h"
#include "crypto/aead.h"
#include "crypto/blake2b.h"
#include "net/listen.h"
#include "outlets/trickle/trickle.h"
#include "peers/trickle_client.h"
#include "script.h"
#include "sources/registry.h"
#include "support/test_hub.h"
#include "support/trickle_answer.h"

namespace qanat::fuzz {
namespace {

namespace trickle = wire::trickle;
using namespace std::chrono_literals;

// Longer than anything takes here; what waits for so long has failed.
constexpr int patience_milliseconds = 15000;
// What is sent before it is waited for that it was read: a socket's buffer holds so much, and what
// it does not hold is lost.
constexpr std::size_t most_said = 4096;
constexpr unsigned most_unread = 16;
constexpr std::size_t head_bytes = trickle::header_bytes + trickle::id_bytes;

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return at;
}

UniqueFd connect_to(std::uint16_t port) {
  UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const sockaddr_in at = loopback(port);
  must(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
  return fd;
}

// Bytes that never come twice.
template <std::size_t size>
std::array<std::uint8_t, size> numbered() {
  static std::atomic<std::uint64_t> last{0};
  const std::uint64_t next = ++last;
  std::array<std::uint8_t, size> out{};
  std::memcpy(out.data(), &next, sizeof next);
  std::memcpy(out.data() + size - sizeof next, &next, sizeof next);
  return out;
}

// What is in a cookie, of somebody who need not be wiped.
struct Holder {
  trickle::ClientClass client_class = trickle::ClientClass::certified;
  std::uint32_t session = 0;
  trickle::ClientId client{};
  std::array<std::uint8_t, trickle::keys_bytes> keys = numbered<trickle::keys_bytes>();

  Bytes c2s() const { return Bytes(keys).first(trickle::key_bytes); }
  Bytes s2c() const { return Bytes(keys).last(trickle::key_bytes); }
};

// A hub with trickle's outlet and what it needs, for as long as the process runs.
struct Hub : test::TestHub {
  Hub() {
    cookies.begin(static_cast<std::uint64_t>(std::time(nullptr)));
    must(clients.add("leaf", SecretBytes(32), {}).has_value());
    must(clients.add("gone", SecretBytes(32), {}).has_value());
    (void)clients.revoke("gone");
    seed_drbg();
    outlet.start();
  }
  ~Hub() {
    outlet.stop();
    must(dispenser.report().total.balanced());
  }
  std::uint32_t generation() const { return cookies.copy().keys.generation(); }
  // `own`: as one that this run of the hub has given out.
  trickle::Cookie seal(const Holder& holder, bool own = true) const {
    const auto keys = cookies.copy();
    auto nonce = numbered<trickle::nonce_bytes>();
    if (own) std::copy(keys.mark.begin(), keys.mark.end(), nonce.begin());
    trickle::CookieContent content;
    content.client_class = holder.client_class;
    content.session = holder.session;
    content.client = holder.client;
    std::copy(holder.keys.begin(), holder.keys.end(), content.keys.data());
    return trickle::seal_cookie(keys.keys.current(), keys.keys.generation(), nonce, content);
  }
  // Nothing for a cookie that was not sealed here.
  std::optional<Holder> open(const trickle::Cookie& cookie) const {
    const auto keys = cookies.copy();
    const Bytes key = keys.keys.find(trickle::generation_of(cookie));
    trickle::CookieContent content;
    if (key.empty() || !trickle::open_cookie(key, cookie, content)) return std::nullopt;
    Holder holder{content.client_class, content.session, content.client, {}};
    std::copy(content.keys.view().begin(), content.keys.view().end(), holder.keys.begin());
    return holder;
  }
  outlets::TrickleOutlet outlet{{"trickle", {"127.0.0.1", 0}, {}, {}}, services(), cookies};
};

Hub& hub() {
  static Hub one;
  return one;
}

// Asks the outlet, and holds its answers against what was asked.
class TrickleAsker {
 public:
  explicit TrickleAsker(Script script) : script_(script) {}

  void play() {
    Said out;
    std::uint8_t order = 0;
    do {
      order = script_.say(out);
      if (order == '.' || order == 0) {
        send(out);
        out.clear();
      }
      if (order == 'Q') ask();
      if (order == 'M') ask_spoilt();
      if (order == 'A') ask_oddly();
      if (order == 'C') hub().credit(16 * std::size_t{script_.byte()});
      if (order == 'p') await_answers();
    } while (order != 0);
    await_answers();
    must(hub().dispenser.report().total.balanced());
  }

 private:
  struct Question {
    Said datagram;
    Holder holder;
    unsigned sent = 0;  // copies of it, each of which may have an answer
    unsigned answers = 0;
    unsigned full = 0;  // of them
    bool own = true;    // its cookie is one of this run of the hub's
  };
  using Questions = std::map<trickle::Id, Question>;

  void send(Bytes datagram) {
    if (datagram.empty()) return;
    (void)::send(fd_.get(), datagram.data(), std::min(datagram.size(), most_said), 0);
    if (++unread_ >= most_unread) await_answers();
  }

  void keep(const trickle::Id& id, Question question) {
    question.sent = 1;
    last_ = id;
    const Said datagram = question.datagram;
    questions_[id] = std::move(question);
    send(datagram);
  }

  void ask() {
    trickle::Request wanted;
    wanted.bytes = 1 + script_.number() % 1152;
    wanted.grade = static_cast<trickle::Grade>(1 + script_.byte() % 3);
    wanted.cookies = script_.byte() % (trickle::most_cookies + 1);
    while (trickle::reply_bytes(wanted.bytes, wanted.cookies) > trickle::most_datagram &&
           wanted.cookies > 0) {
      --wanted.cookies;
    }
    wanted.bytes =
        std::min(wanted.bytes, trickle::most_datagram - trickle::reply_bytes(0, wanted.cookies));
    ask(wanted, script_.byte());
  }

  void ask(trickle::Request wanted, std::uint8_t who) {
    Question question;
    Holder& holder = question.holder;
    const bool certified = who % 4 == 0;
    holder.client_class =
        certified ? trickle::ClientClass::certified : trickle::ClientClass::invited;
    holder.session = hub().generation() % (1U << 24);
    const std::string name = who % 4 == 1 ? "gone" : "leaf";
    holder.client =
        certified ? trickle::ClientId{who} : trickle::client_id(name, SecretBytes(32).view());
    question.own = who < 128;
    wanted.id = numbered<trickle::id_bytes>();
    wanted.cookie = hub().seal(holder, question.own);
    question.datagram = encode_request(wanted, holder.c2s());
    keep(wanted.id, std::move(question));
  }

  // Nothing of a question may be changed on the way.
  void ask_spoilt() {
    const auto found = questions_.find(last_);
    if (found == questions_.end()) return;
    Said datagram = found->second.datagram;
    if (!spoil(script_, datagram)) ++found->second.sent;
    send(datagram);
  }

  // What a client could say that has another program.
  void ask_oddly() {
    const auto found = questions_.find(last_);
    if (found == questions_.end()) return;
    Question odd = found->second;
    odd.answers = odd.full = 0;
    const auto id = numbered<trickle::id_bytes>();
    const MutableBytes datagram(odd.datagram);
    std::copy(id.begin(), id.end(), datagram.begin() + trickle::header_bytes);
    spoil(script_, datagram.first(head_bytes));
    std::array<std::uint8_t, trickle::ticket_bytes - trickle::keys_bytes> who{};
    spoil(script_, who);
    Holder& holder = odd.holder;
    holder.client_class =
        static_cast<trickle::ClientClass>(static_cast<std::uint8_t>(holder.client_class) ^ who[0]);
    const std::uint32_t session = std::uint32_t{who[1]} << 16 | std::uint32_t{who[2]} << 8 | who[3];
    holder.session = (holder.session ^ session) % (1U << 24);
    for (std::size_t i = 0; i < holder.client.size(); ++i) holder.client[i] ^= who[4 + i];
    const trickle::Cookie cookie = hub().seal(holder, odd.own);
    std::copy(cookie.begin(), cookie.end(), datagram.begin() + head_bytes + trickle::mac_bytes);
    crypto::blake2b(
        {}, {as_bytes("qanat trickle v1 request"), holder.c2s(), datagram.first(head_bytes)},
        datagram.subspan(head_bytes, trickle::mac_bytes));
    trickle::Id as_sent{};
    std::copy_n(datagram.begin() + trickle::header_bytes, as_sent.size(), as_sent.begin());
    // An id that came before was made so by the script: its answers could not be told apart.
    if (!questions_.contains(as_sent)) keep(as_sent, std::move(odd));
  }

  // A question that has an answer in any case: when that has come, all before it has been read.
  void await_answers() {
    trickle::Request last;
    last.bytes = 1;
    ask_last(last);
    while (questions_[last_].answers == 0) {
      must(wait_ready(fd_.get(), POLLIN, patience_milliseconds));
      hear();
    }
    unread_ = 0;
  }
  void ask_last(const trickle::Request& last) {
    unread_ = 0;
    ask(last, 2);
  }

  void hear() {
    std::uint8_t in[65536];
    const ssize_t got = ::recv(fd_.get(), in, sizeof in, MSG_DONTWAIT);
    must(got >= static_cast<ssize_t>(head_bytes));
    const Bytes datagram(in, static_cast<std::size_t>(got));
    trickle::Id id{};
    std::copy_n(in + trickle::header_bytes, id.size(), id.begin());
    const auto found = questions_.find(id);
    must(found != questions_.end());
    Question& question = found->second;
    must(datagram.size() <= question.datagram.size());
    must(++question.answers <= question.sent);
    const auto answer = test::answer_of(datagram, id, question.holder.s2c());
    must(answer != nullptr);
    const auto wanted = trickle::decode_request(question.datagram);
    must(wanted.has_value());
    if (answer->refused) return;
    must(answer->bytes == wanted->bytes && answer->cookies == wanted->cookies);
    if (answer->grade == trickle::Grade::full) {
      must(wanted->grade != trickle::Grade::drbg);
      // Once, however often it comes.
      must(++question.full == 1);
    } else {
      must(wanted->grade != trickle::Grade::full);
    }
    for (unsigned i = 0; i < answer->cookies; ++i) check_fresh(*answer, i, question.holder);
  }

  // A fresh cookie is its client's, with keys that follow from the old ones.
  static void check_fresh(const trickle::Answer& answer, unsigned i, const Holder& old) {
    const auto fresh = hub().open(answer.cookie(i));
    must(fresh && fresh->client == old.client && fresh->client_class == old.client_class);
    must(fresh->session == old.session);
    std::array<std::uint8_t, trickle::keys_bytes> next;
    trickle::next_keys(old.keys, answer.fresh(i), next);
    must(next == fresh->keys);
  }

  Script script_;
  const UniqueFd fd_ = connect_to(hub().outlet.address().port);
  Questions questions_;
  trickle::Id last_{};
  unsigned unread_ = 0;
};

// Answers trickle's client on a thread of its own. Cookies are sealed under the hub's keys, so that
// it knows its clients by them alone.
class TrickleAnswerer {
 public:
  TrickleAnswerer() {
    port = net::local_port(fd_.get());
    thread_ = std::thread([this] { run(); });
  }
  ~TrickleAnswerer() {
    waker_.wake();
    thread_.join();
  }
  // Each question is answered with a part of `script`. `lost` is woken where one cannot be answered
  // any more.
  void begin(Script script, const Waker& lost) {
    const std::scoped_lock lock(mutex_);
    script_ = script;
    lost_ = &lost;
    heard_ = 0;
    right_.clear();
    odd_ = false;
  }
  // Until so many questions have been answered.
  void await(std::uint64_t questions) {
    std::unique_lock lock(mutex_);
    must(answered_.wait_for(lock, 15s, [&] { return heard_ == questions; }));
  }
  // Whether these bytes are those of an answer to the last question that was right.
  bool gave(Bytes bytes, trickle::Grade grade) const {
    const std::scoped_lock lock(mutex_);
    return odd_ || right_.contains({Said(bytes.begin(), bytes.end()), grade});
  }

  std::uint16_t port = 0;

 private:
  void run() {
    Said in(65536);
    for (;;) {
      if (wait_for(fd_.get(), POLLIN, waker_, std::nullopt) == Wake::woken) return;
      socklen_t size = sizeof peer_;
      const ssize_t got = ::recvfrom(fd_.get(), in.data(), in.size(), MSG_DONTWAIT,
                                     reinterpret_cast<sockaddr*>(&peer_), &size);
      if (got < 0) continue;
      const std::scoped_lock lock(mutex_);
      answer(Bytes(in).first(static_cast<std::size_t>(got)));
      ++heard_;
      answered_.notify_one();
    }
  }

  void answer(Bytes datagram) {
    // Our client asks as it should.
    const auto request = trickle::decode_request(datagram);
    must(request.has_value());
    const auto holder = hub().open(request->cookie);
    if (!holder || !trickle::authentic(datagram, holder->c2s())) {
      // A cookie or its keys that we have spoilt before.
      must(odd_);
      lost_->wake();
      return;
    }
    Said out;
    std::uint8_t order = 0;
    do {
      order = script_.say(out);
      if (order == '.') send(out);
      if (order == '.' || order == 'A' || order == 'R') out.clear();
      if (order == 'A') reply(*request, *holder);
      if (order == 'R') {
        const std::uint8_t reason = script_.byte();
        refuse(*request, *holder, reason, script_.number(), true);
      }
    } while (order != 'p' && order != 0);
    // What is right ends it: no time has to pass.
    refuse(*request, *holder, static_cast<std::uint8_t>(trickle::Reason::dry), 1, false);
  }

  void send(Bytes datagram) const {
    (void)::sendto(fd_.get(), datagram.data(), std::min(datagram.size(), most_said), 0,
                   reinterpret_cast<const sockaddr*>(&peer_), sizeof peer_);
  }

  void refuse(const trickle::Request& request, const Holder& holder, std::uint8_t reason,
              std::size_t wait, bool spoilt) {
    Said out(trickle::refusal_bytes);
    encode_refusal(request, static_cast<trickle::Reason>(reason), static_cast<std::uint16_t>(wait),
                   holder.s2c(), numbered<trickle::nonce_bytes>(), out);
    if (spoilt) spoil(script_, out);
    send(out);
  }

  void reply(const trickle::Request& request, const Holder& holder) {
    const auto grade = static_cast<trickle::Grade>(1 + script_.byte() % 2);
    const std::size_t bytes = script_.number() % (trickle::most_datagram - 100);
    unsigned cookies = script_.byte() % (trickle::most_cookies + 1);
    while (trickle::reply_bytes(bytes, cookies) > trickle::most_datagram) --cookies;
    const auto unique = numbered<8>();
    Said entropy(bytes);
    for (std::size_t i = 0; i < bytes; ++i) entropy[i] = unique[i % unique.size()];
    Said fresh(cookies * trickle::fresh_bytes);
    std::vector<trickle::Cookie> sealed;
    for (unsigned i = 0; i < cookies; ++i) {
      const MutableBytes mine =
          MutableBytes(fresh).subspan(i * trickle::fresh_bytes, trickle::fresh_bytes);
      const auto mine_alone = numbered<trickle::fresh_bytes>();
      std::copy(mine_alone.begin(), mine_alone.end(), mine.begin());
      Holder next = holder;
      trickle::next_keys(holder.keys, mine, next.keys);
      sealed.push_back(hub().seal(next));
    }
    Said out(trickle::most_datagram);
    out.resize(encode_reply(request, grade, entropy, sealed, fresh, holder.s2c(),
                            numbered<trickle::nonce_bytes>(), out));
    const bool odd = seal_spoilt(out, holder.s2c());
    odd_ = odd_ || odd;
    if (!odd && !spoil(script_, out)) right_.insert({entropy, grade});
    send(out);
  }

  // Opens it, changes what is in it and its header, and seals it again.
  bool seal_spoilt(MutableBytes datagram, Bytes key) {
    const MutableBytes nonce = datagram.subspan(head_bytes, trickle::nonce_bytes);
    const MutableBytes body = datagram.subspan(head_bytes + nonce.size());
    Said plain(body.size() - trickle::tag_bytes);
    const MutableBytes before = datagram.first(head_bytes + nonce.size());
    must(crypto::open_to(key, nonce, body, before, plain));
    const bool head = spoil(script_, datagram.first(head_bytes));
    const bool inside = spoil(script_, plain);
    if (!head && !inside) return false;
    const auto other = numbered<trickle::nonce_bytes>();
    std::copy(other.begin(), other.end(), nonce.begin());
    crypto::seal_to(key, nonce, plain, before, body);
    return true;
  }

  const UniqueFd fd_ = net::listen_udp({"127.0.0.1", 0});
  const Waker waker_;
  sockaddr_in peer_{};
  std::condition_variable answered_;
  mutable std::mutex mutex_;  // of what follows
  Script script_{Bytes()};
  const Waker* lost_ = nullptr;
  std::uint64_t heard_ = 0;
  std::set<std::pair<Said, trickle::Grade>> right_;
  bool odd_ = false;
  std::thread thread_;
};

// Trickle's client, with a jar of cookies as a session leaves it.
class TrickleAsked {
 public:
  TrickleAsked() {
    endpoint_.address = {"127.0.0.1", answerer_.port};
    endpoint_.client_name = "leaf";
    endpoint_.shared_key = SecretBytes(32);
    // A client makes its jar where it looks for one.
    std::filesystem::create_directory(directory_ / "jars");
    (void)peers::TrickleClient(endpoint_, directory_ / "jars", waker_).server_key();
    jar_ = std::filesystem::directory_iterator(directory_ / "jars")->path();
    const sockaddr_in at = loopback(answerer_.port);
    std::memcpy(&server_.address, &at, sizeof at);
    server_.lifetime = 3600;
  }

  void play(Script script) {
    fill_jar();
    peers::TrickleClient client(endpoint_, directory_ / "jars", waker_);
    const unsigned questions = 1 + script.byte() % 4;
    const std::size_t bytes = 1 + script.number() % peers::TrickleClient::most_bytes;
    answerer_.begin(script, waker_);
    for (unsigned i = 0; i < questions; ++i) {
      SecretBytes out(bytes);
      const auto wanted = static_cast<trickle::Grade>(1 + i % 3);
      const auto got = client.ask(out.view(), wanted);
      must(got || !got.error().message.empty());
      must(!got || answerer_.gave(out.view(), *got));
      must(got || got.error().retry_after <= 3600);
    }
    must(client.counters().sent <= 5 * questions && client.counters().answered <= questions);
    answerer_.await(client.counters().sent);
    waker_.clear();
  }

 private:
  void fill_jar() {
    std::vector<trickle::KeyedCookie> cookies;
    for (std::size_t i = 0; i < peers::CookieJar::places; ++i) {
      const Holder holder;
      cookies.push_back({hub().seal(holder), SecretBytes(Bytes(holder.keys))});
    }
    peers::CookieJar(jar_).restart(server_, cookies,
                                   static_cast<peers::UnixTime>(std::time(nullptr)));
  }

  const Directory directory_;
  const Waker waker_;
  TrickleAnswerer answerer_;
  peers::Endpoint endpoint_;
  peers::CookieJar::Server server_;
  std::string jar_;
};

// rngnet's source, which counts all that it hears.
class RngnetSender {
 public:
  explicit RngnetSender(bool credit)
      : source_(sources::make_source(fmt::format("rngnet://127.0.0.1:{}?bytes={}&credit={}", port(),
                                                 right_bytes, credit ? "yes" : "no"),
                                     books_.services)),
        credit_(credit) {}

  void play(Script script) {
    source_->start();
    while (!source_->report().dropped.contains("recv_err")) std::this_thread::yield();
    Said out;
    std::uint8_t order = 0;
    do {
      order = script.say(out);
      if (order == '.' || order == 0) {
        send(out);
        out.clear();
      }
      if (order == 'p') await_counts();
      if (order == 'e') renew();
    } while (order != 0);
    await_counts();
    source_->request_stop();
    must(source_->join(10s));
    must(credit_ || books_.dispenser.report().total.credited == 0);
    must(books_.dispenser.report().total.credited <= 8 * 8 * right_bytes * right_);
  }

 private:
  static constexpr std::size_t right_bytes = 16;

  // One that is free, for as long as the process runs.
  static std::uint16_t port() {
    static const std::uint16_t one = net::local_port(net::listen_udp({"127.0.0.1", 0}).get());
    return one;
  }

  void send(Bytes datagram) {
    if (::send(fd_.get(), datagram.data(), std::min(datagram.size(), most_said), 0) < 0) return;
    ++(datagram.size() == right_bytes ? right_ : wrong_);
    if (++unread_ >= most_unread) await_counts();
  }

  // Until each datagram has been counted, which after a renewal nobody can tell: what lay in the
  // socket is discarded by the byte, whatever its size.
  void await_counts() {
    unread_ = 0;
    if (renewed_) return;
    const auto end = std::chrono::steady_clock::now() + 15s;
    for (;;) {
      const auto report = source_->report();
      const auto& dropped = report.dropped;
      const std::uint64_t used =
          (report.bytes + dropped.at("outdated")) / right_bytes + dropped.at("not_wanted");
      must(used <= right_ && dropped.at("bad_size") <= wrong_);
      if (used == right_ && dropped.at("bad_size") == wrong_) break;
      must(std::chrono::steady_clock::now() < end);
      std::this_thread::yield();
    }
  }

  void renew() {
    await_counts();
    renewed_ = true;
    (void)books_.dispenser.renew();
    source_->retest();
  }

  Books books_;
  const std::unique_ptr<sources::RunningSource> source_;
  const bool credit_;
  const UniqueFd fd_ = connect_to(port());
  std::uint64_t right_ = 0;
  std::uint64_t wrong_ = 0;
  unsigned unread_ = 0;
  bool renewed_ = false;
};

}  // namespace
}  // namespace qanat::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace qanat::fuzz;
  const auto input = read_input(data, size, "tcrR");
  if (!input) return 0;
  if (input->kind == 't') {
    TrickleAsker(input->script).play();
  } else if (input->kind == 'c') {
    static TrickleAsked client;
    client.play(input->script);
  } else {
    RngnetSender(input->kind == 'R').play(input->script);
  }
  return 0;
}
