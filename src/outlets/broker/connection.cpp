#include "outlets/broker/connection.h"

#include <fmt/core.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <ctime>

#include "crypto/aead.h"
#include "serve/inflow.h"
#include "serve/rates.h"

namespace qanat::outlets {

namespace asio = boost::asio;
namespace broker = wire::broker;
using spec::Grade;
using wire::Status;
using namespace std::chrono_literals;

namespace {

// Its peers give up a reply after 15 s: less, with the way to them.
constexpr Duration longest_wait = 10s;
// A whole second at least: it cannot say less.
constexpr Duration shortest_retry = 1s;
constexpr Duration longest_retry = 60s;
// How long a producer that is not wanted should sleep. It is told when it is.
constexpr Duration full_retry = 10s;
// As the original: a consumer is pinged after so long a silence,
constexpr Duration ping_interval = 299s;
// and a peer that has said nothing for an hour has gone.
constexpr Duration idle = 1h;
// Who was told "full" or "empty" is told within so long that it is so no more.
constexpr Duration look_interval = 1s;
// A wrong password costs as much time.
constexpr Duration wrong_password = 1s;
// An answer is prepared for one who takes much at a time, and is good for a moment only: what waits
// here would be in every copy of this machine.
constexpr std::size_t worth_preparing = 1024;
constexpr Duration prepared_life = 100ms;

// "joe" is the client "broker-joe": no certificate's name by chance. What a name may not have is
// written as '_'.
std::string client_name_of(const std::string& user) {
  std::string name = "broker-" + user;
  for (char& c : name) {
    if (!share::valid_client_name(std::string_view(&c, 1))) c = '_';
  }
  constexpr std::size_t longest = 64;
  return name.substr(0, longest);
}

}  // namespace

BrokerWorker::BrokerWorker(Broker& outlet, const serve::OutletServices& services,
                           share::Visitors& visitors, asio::io_context& context, std::size_t slot,
                           UniqueFd listener)
    : serve::StreamWorker(outlet.settings().stream.limits, services, visitors, context, slot,
                          std::move(listener)),
      outlet_(outlet),
      pool_(BrokerConnection::inbox_bytes + BrokerConnection::outbox_bytes) {}

asio::awaitable<void> BrokerWorker::serve(serve::Arrival arrival) {
  BrokerConnection connection(*this, std::move(arrival));
  co_await connection.run();
}

BrokerConnection::BrokerConnection(BrokerWorker& worker, serve::Arrival arrival)
    : serve::StreamConnection(worker, std::move(arrival)),
      broker_(worker),
      buffer_(worker.pool_.lease()),
      outbox_(buffer_.view().subspan(inbox_bytes)),
      heard_(worker.services_.clock.now()) {
  const int one = 1;
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
}

BrokerConnection::~BrokerConnection() {
  wipe(buffer_.view());
  if (inflow_) inflow_->left(broker_.services_.clock.now());
}

asio::awaitable<void> BrokerConnection::run() {
  const bool known = co_await log_in();
  if (!known) co_return;
  bool more = true;
  while (more && !ending()) {
    if (turn_is_over()) co_await take_turns();
    more = co_await converse();
  }
}

asio::awaitable<bool> BrokerConnection::log_in() {
  arm(broker_.limits_.handshake);
  const broker::Suite& suite = broker_.outlet_.settings().suite;
  std::uint64_t challenge = 0;
  crypto::random_bytes({reinterpret_cast<std::uint8_t*>(&challenge), sizeof challenge});
  const broker::Hello hello{suite.hash, suite.mac, suite.cipher, fmt::format("{}", challenge)};
  const std::vector<std::uint8_t> words = encode(hello);
  bool going = co_await write(words);
  if (!going) co_return false;
  arm(broker_.limits_.handshake);  // of which write has its own
  broker::Login login;
  const std::size_t proof_bytes = broker::find_hash(suite.hash)->output_bytes;
  std::size_t used = 0;
  for (;;) {
    const Status status = decode(inbox(), proof_bytes, login, used);
    if (status == Status::complete) break;
    if (status == Status::malformed) co_return malformed();
    going = co_await fill(received_ + 1);
    if (!going) co_return false;
  }
  user_ = broker_.outlet_.find_user(login.user);
  // A name that nobody has takes as long as a wrong password.
  const std::string_view password =
      user_ ? as_text(Bytes(user_->password.view())) : std::string_view("nobody has this name");
  const auto expected = broker::prove(suite.hash, hello.challenge, password);
  std::shared_ptr<share::Client> client;
  if (equal_constant_time(expected, login.proof) && user_) {
    client =
        broker_.services_.clients.find_or_add_certified(client_name_of(user_->name), std::time({}));
  }
  if (!client) {
    ++broker_.counters_.unauthorised;
    co_await pause(broker_.services_.clock.now() + wrong_password);
    co_return false;
  }
  become(std::move(client));
  if (over_quota()) co_return false;
  session_.emplace(hello, password);
  if (login.delivers) {
    inflow_ = broker_.outlet_.inflow_of(*user_);
    inflow_->came();
    epoch_ = broker_.services_.dispenser.epoch();
  }
  consume(used);
  heard_ = broker_.services_.clock.now();
  const auto most = broker::encode_integer(8 * broker::most_bytes);
  co_return co_await write(most);
}

TimePoint BrokerConnection::next_word() const {
  if (sent_away_ || went_empty_) return broker_.services_.clock.now() + look_interval;
  const TimePoint end = heard_ + idle;
  return inflow_ ? end : std::min(end, std::max(heard_, pinged_) + ping_interval);
}

// One message and its answer, or a word of our own. False when the connection must end.
asio::awaitable<bool> BrokerConnection::converse() {
  broker::Message message;
  std::size_t used = 0;
  Status status = decode(inbox(), message, used);
  if (status == Status::incomplete) {
    if (received_ == 0) {
      deadline_ = TimePoint::max();
    } else if (!busy()) {
      arm(broker_.limits_.header);
      begin_work();
    }
    const bool ready = co_await wait_input_until(next_word());
    if (!ready) co_return false;
    const net::IoResult got = transport_.read(buffer_.view().first(inbox_bytes).subspan(received_));
    if (got.status == net::IoStatus::want_read) co_return co_await speak_up();
    if (got.status != net::IoStatus::ok) co_return false;
    received_ += got.bytes;
    co_return true;
  }
  if (status == Status::malformed) co_return malformed();
  begin_work();
  heard_ = broker_.services_.clock.now();
  consume(used);
  const bool more = co_await answer(message);
  end_work();
  co_return more;
}

asio::awaitable<bool> BrokerConnection::speak_up() {
  const TimePoint now = broker_.services_.clock.now();
  if (now - heard_ >= idle) {
    ++broker_.counters_.timed_out;
    co_return false;
  }
  if (sent_away_ && inflow_->wanted(now)) {
    sent_away_ = false;
    co_return co_await say(Code::wanted, 0);
  }
  if (went_empty_ && broker_.services_.dispenser.available() > 0) {
    went_empty_ = false;
    co_return co_await say(Code::available, 0);
  }
  if (!inflow_ && now >= std::max(heard_, pinged_) + ping_interval) {
    pinged_ = now;
    co_return co_await say(Code::ping, pings_++);
  }
  co_return true;
}

asio::awaitable<bool> BrokerConnection::answer(broker::Message message) {
  if (message.is(Code::take)) co_return co_await give(message.value);
  if (message.is(Code::deliver)) co_return co_await accept(message.value);
  if (message.is(Code::pong)) co_return true;
  if (message.is(Code::producer) || message.is(Code::consumer) || message.is(Code::filling)) {
    co_return co_await skip_string(message.value);
  }
  if (message.is(Code::log_out)) co_return false;
  co_return malformed();
}

asio::awaitable<bool> BrokerConnection::give(std::uint32_t bits) {
  went_empty_ = false;
  if (bits == 0) co_return malformed();
  const std::size_t bytes =
      std::min<std::size_t>((std::uint64_t{bits} + 7) / 8, broker::most_bytes);
  ++client_->requests;
  const share::BucketRate limit{user_->rate, std::max<std::uint64_t>(user_->rate, bytes)};
  const Duration over = user_->bucket.take(limit, bytes, broker_.services_.clock.now());
  if (over > Duration::zero()) {
    ++broker_.counters_.over_share;
    ++client_->refused;
    co_return co_await refuse(Code::quota, over);
  }
  const bool full = broker_.outlet_.settings().stream.grade == Grade::full;
  if (full) co_return co_await give_full(bytes);
  co_return co_await give_drbg(bytes);
}

asio::awaitable<bool> BrokerConnection::give_drbg(std::size_t bytes) {
  TimePoint now = broker_.services_.clock.now();
  const Duration over = charge(broker_.limits_.drbg_request + bytes);
  if (over > Duration::zero()) {
    ++broker_.counters_.over_share;
    co_await pause(now + over);
    now = broker_.services_.clock.now();
  }
  if (prepared_ > 0 && (bytes < prepared_ || now - prepared_at_ > prepared_life)) {
    session_->unseal_last();
    prepared_ = 0;
  }
  if (prepared_ == 0 && !prepare(bytes, now)) {
    ++broker_.counters_.unavailable;
    ++client_->refused;
    co_return co_await refuse(Code::empty, shortest_retry);
  }
  bytes = std::exchange(prepared_, 0);
  const MutableBytes frame = outbox_.first(broker::message_bytes + session_->sealed_bytes(bytes));
  const bool written = co_await write(frame);
  if (!written) co_return false;
  count_drbg(bytes);
  ++broker_.counters_.deliveries;
  if (bytes >= worth_preparing) prepare(bytes, now);
  co_return true;
}

// The next answer, while the peer is busy with the last one: both have as much to compute.
bool BrokerConnection::prepare(std::size_t bytes, TimePoint now) {
  const MutableBytes frame = outbox_.first(broker::message_bytes + session_->sealed_bytes(bytes));
  const MutableBytes sealed = frame.subspan(broker::message_bytes);
  if (!broker_.services_.drbg.generate(broker_.slot_, sealed.subspan(digest_bytes()), now)) {
    return false;
  }
  const auto head = encode(Code::deliver, static_cast<std::uint32_t>(8 * bytes));
  std::copy(head.begin(), head.end(), frame.begin());
  session_->seal(sealed);
  prepared_ = bytes;
  prepared_at_ = now;
  return true;
}

// As many as there are for this user now, or the next piece of its share.
asio::awaitable<bool> BrokerConnection::give_full(std::size_t bytes) {
  bytes = piece_of(bytes);
  const auto estimate =
      broker_.services_.dispenser.estimate(flow(), bytes, broker_.services_.clock.now());
  std::optional<serve::Drawn> drawn;
  // What the line makes impossible is refused at once.
  if (!estimate || estimate->wait <= longest_wait) drawn = co_await draw(bytes, longest_wait);
  if (closing()) co_return false;
  if (!drawn) {
    went_empty_ = true;
    ++broker_.counters_.unavailable;
    ++client_->refused;
    co_return co_await refuse(Code::empty, serve::worth_a_try(estimate));
  }
  const MutableBytes frame = outbox_.first(broker::message_bytes + session_->sealed_bytes(bytes));
  const MutableBytes sealed = frame.subspan(broker::message_bytes);
  const Bytes random = drawn->bytes.view();
  std::copy(random.begin(), random.end(), sealed.subspan(digest_bytes()).begin());
  const auto head = encode(Code::deliver, static_cast<std::uint32_t>(8 * bytes));
  std::copy(head.begin(), head.end(), frame.begin());
  session_->seal(sealed);
  const bool written = co_await deliver(frame, drawn->delivery);
  if (written) ++broker_.counters_.deliveries;
  co_return written;
}

asio::awaitable<bool> BrokerConnection::accept(std::uint32_t bits) {
  if (bits == 0 || !inflow_) co_return malformed();
  // A copy of this machine has this connection too, and what came on it: the producer makes a new
  // one.
  if (broker_.services_.dispenser.epoch() != epoch_) co_return false;
  const TimePoint began = broker_.services_.clock.now();
  if (!inflow_->wanted(began)) {
    sent_away_ = true;
    ++broker_.counters_.not_wanted;
    co_return co_await refuse(Code::full, full_retry);
  }
  sent_away_ = false;
  const std::uint32_t taken = std::min<std::uint32_t>(bits, 8 * broker::most_bytes);
  const bool said = co_await say(Code::take, taken);
  if (!said) co_return false;
  const std::size_t sealed = session_->sealed_bytes((std::size_t{taken} + 7) / 8);
  arm(broker_.limits_.write);
  const bool whole = co_await fill(sealed);
  if (!whole) co_return false;
  const MutableBytes samples = session_->open(buffer_.view().first(sealed));
  if (samples.empty()) co_return malformed();
  inflow_->take(samples, epoch_, began, broker_.services_.clock.now());
  consume(sealed);
  heard_ = broker_.services_.clock.now();
  co_return true;
}

asio::awaitable<bool> BrokerConnection::skip_string(std::uint32_t length) {
  if (length > broker::most_string) co_return malformed();
  arm(broker_.limits_.header);
  const bool whole = co_await fill(length);
  if (!whole) co_return false;
  consume(length);
  co_return true;
}

asio::awaitable<bool> BrokerConnection::fill(std::size_t bytes) {
  while (received_ < bytes) {
    const net::IoResult got = transport_.read(buffer_.view().first(inbox_bytes).subspan(received_));
    if (got.status == net::IoStatus::ok) {
      received_ += got.bytes;
      continue;
    }
    const bool ready = co_await wait(got.status);
    if (!ready) co_return false;
  }
  co_return true;
}

void BrokerConnection::consume(std::size_t bytes) {
  const MutableBytes in = buffer_.view().first(received_);
  std::copy(in.begin() + static_cast<std::ptrdiff_t>(bytes), in.end(), in.begin());
  received_ -= bytes;
  wipe(in.subspan(received_));
}

asio::awaitable<bool> BrokerConnection::say(Code code, std::uint32_t value) {
  const auto words = broker::encode(code, value);
  co_return co_await write(words);
}

asio::awaitable<bool> BrokerConnection::refuse(Code code, Duration wait) {
  co_return co_await say(code,
                         serve::retry_seconds(std::clamp(wait, shortest_retry, longest_retry)));
}

bool BrokerConnection::malformed() {
  ++broker_.counters_.malformed;
  return false;
}

}  // namespace qanat::outlets
