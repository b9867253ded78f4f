#include "node/control.h"

#include <fmt/core.h>

#include <boost/json.hpp>
#include <limits>

#include "base/quantity.h"
#include "wire/http_api.h"
#include "wire/join_string.h"

namespace qanat::node {

namespace json = boost::json;
using outlets::ControlAnswer;

namespace {

ControlAnswer refused(unsigned status, const std::string& what) {
  return {status, wire::refusal_json(what, "")};
}

ControlAnswer done(const json::object& answer = {}) {
  return {200, json::serialize(answer) + "\n"};
}

std::string text_of(const json::object& request, std::string_view key) {
  const auto* const found = request.if_contains(key);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : "";
}

template <typename Number>
Number number_of(const json::object& request, std::string_view key, Number usual) {
  const auto* const found = request.if_contains(key);
  if (found == nullptr || !found->is_number()) return usual;
  boost::system::error_code problem;
  const Number number = found->to_number<Number>(problem);
  // Out of range (negative, too large): the largest, which no check lets pass.
  return problem ? std::numeric_limits<Number>::max() : number;
}

bool flag_of(const json::object& request, std::string_view key) {
  const auto* const found = request.if_contains(key);
  return found != nullptr && found->is_bool() && found->get_bool();
}

}  // namespace

std::string with_https_port(const std::string& address, const std::string& own) {
  const auto outlet = spec::parse_address(own);
  const auto whole = spec::parse_address(address, outlet ? outlet->port : wire::https_port);
  return whole ? whole->text() : address;
}

std::string doubts_of(const Reach& reach) {
  const auto address = spec::parse_address(reach.address);
  if (address && spec::is_loopback(address->host)) {
    return fmt::format(
        "the join string says {}, which is reached from this machine alone; for "
        "others let the https outlet listen on '*', or give --address HOST",
        reach.address);
  }
  if (!reach.guessed) return "";
  constexpr std::string_view digits = "0123456789.";
  const bool name = address && address->host.find(':') == std::string::npos &&
                    address->host.find_first_not_of(digits) != std::string::npos;
  if (name) {
    return fmt::format(
        "the join string says {}, this machine's own name; if clients do not reach it by that, "
        "give --address HOST",
        reach.address);
  }
  return fmt::format(
      "the join string says {}, one of this machine's addresses; if clients reach it "
      "by another, or by a name, give --address HOST",
      reach.address);
}

ControlAnswer Control::answer(std::string_view method, std::string_view path,
                              std::string_view body) {
  if (method != "POST") return refused(405, "control paths take POST");
  boost::system::error_code problem;
  json::value parsed = json::object();
  if (!body.empty()) parsed = json::parse(json::string_view(body.data(), body.size()), problem);
  if (problem || !parsed.is_object()) return refused(400, "the body is not a JSON object");
  const json::object& request = parsed.get_object();

  node_.check_state();
  if (path == "/control/invite") return invite(request);
  if (path == "/control/withdraw") return withdraw(request);
  if (path == "/control/revoke") return revoke(request);
  if (path == "/control/allow") return allow(request);
  if (path == "/control/revoked") return revoked();
  if (path == "/control/retest") {
    node_.retest();
    return done();
  }
  if (path == "/control/feed") {
    node_.feed();
    return done();
  }
  if (path == "/control/alarm-test") return begin_alarm_test();
  if (path == "/control/alarm-tested") return alarms_tested();
  return refused(404, "no such control path");
}

ControlAnswer Control::begin_alarm_test() {
  const std::size_t alarms = node_.alarms.begin_test();
  return done({{"alarms", alarms}});
}

// Whoever asks waits: "not yet" is a 503.
ControlAnswer Control::alarms_tested() const {
  const auto tried = node_.alarms.tested();
  if (!tried) return refused(503, "the alarms are still being tried");
  json::array all;
  for (const auto& [name, problem] : *tried) {
    all.push_back(json::object{{"name", name}, {"problem", problem}});
  }
  return done({{"tried", std::move(all)}});
}

ControlAnswer Control::revoked() const {
  json::array names;
  for (const share::Bar& bar : node_.book.bars()) names.emplace_back(bar.name);
  return done({{"revoked", std::move(names)}});
}

ControlAnswer Control::invite(const json::object& request) {
  const Identity* const identity = node_.identity();
  if (identity == nullptr) return refused(400, "a feed has no clients");
  // Its clients would be unknown after a restart.
  if (const std::string problem = node_.state.problem(); !problem.empty()) {
    return refused(409, "nobody is invited: " + problem);
  }
  const bool replace = flag_of(request, "replace");
  if (flag_of(request, "observer")) return invite_observer(text_of(request, "name"), replace);
  std::string at = text_of(request, "address");
  const Reach reach = node_.reach();
  const std::string doubts = at.empty() ? doubts_of(reach) : "";
  if (at.empty()) at = reach.address;
  at = with_https_port(at, reach.address);
  if (at.empty()) {
    return refused(400,
                   "this node has no https outlet to invite to; start it with --outlet "
                   "'https://*:7749', or give --address HOST:PORT");
  }
  const share::Terms terms{number_of<std::uint64_t>(request, "rate", 0),
                           number_of<std::uint64_t>(request, "burst", 0),
                           number_of<double>(request, "weight", 1)};
  const std::string name = text_of(request, "name");
  const std::uint64_t rate = node_.book.terms_for(name, terms).rate;
  if (const auto promise = node_.dispenser.check_promise(rate, node_.clock.now()); !promise) {
    return refused(promise.error().unproved ? 503 : 409, promise.error().message);
  }
  auto invited = node_.clients.invite(name, terms, at, identity->pin, replace);
  if (!invited) return refused(400, invited.error().message);
  const std::string promised =
      rate == 0 ? "" : ", promised " + format_rate(static_cast<double>(rate));
  node_.events.record("clients", fmt::format("invited '{}'{}", name, promised));
  json::object given{{"join", invited->join}, {"address", at}, {"serial", invited->serial}};
  if (!doubts.empty()) given["warning"] = doubts;
  if (reach.address.empty()) {
    given["warning"] =
        "this node has no https outlet, so the join string will not work yet; add one: --outlet "
        "'https://*:7749'";
  }
  return given_out(given, name, *invited);
}

ControlAnswer Control::invite_observer(const std::string& name, bool replace) {
  auto invited = node_.clients.invite_observer(name, replace);
  if (!invited) return refused(400, invited.error().message);
  node_.events.record("clients", fmt::format("'{}' may observe", name));
  return given_out({{"join", invited->join}, {"serial", invited->serial}}, name, *invited);
}

ControlAnswer Control::given_out(const json::object& given, const std::string& name,
                                 ClientStore::Invitation& invited) {
  ControlAnswer answer = done(given);
  answer.undo = [this, name, serial = invited.serial] {
    if (node_.clients.withdraw(name, serial)) {
      node_.events.add("clients", fmt::format("nobody took what '{}' was to show: withdrawn", name),
                       EventKind::note);
    }
  };
  wire::wipe_text(invited.join);
  return answer;
}

ControlAnswer Control::withdraw(const json::object& request) {
  const std::string name = text_of(request, "name");
  const auto outcome = node_.clients.withdraw(name, number_of<std::uint64_t>(request, "serial", 0));
  if (!outcome) return refused(400, outcome.error().message);
  node_.events.record("clients", fmt::format("the invitation of '{}' is withdrawn", name));
  return done();
}

ControlAnswer Control::revoke(const json::object& request) {
  const std::string name = text_of(request, "name");
  const auto was_here = node_.clients.revoke(name);
  if (!was_here) return refused(400, was_here.error().message);
  node_.events.record("clients", fmt::format("revoked '{}'", name));
  return done({{"known", *was_here}});
}

ControlAnswer Control::allow(const json::object& request) {
  const std::string name = text_of(request, "name");
  const auto outcome = node_.clients.allow(name);
  if (!outcome) return refused(400, outcome.error().message);
  node_.events.record("clients", fmt::format("'{}' may be used again", name));
  return done();
}

}  // namespace qanat::node
