// The control socket's answers: what `qanat invite`, `revoke` and the like ask of a running node.
#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <string>
#include <string_view>

#include "node/alarms.h"
#include "node/client_store.h"
#include "node/state_watch.h"
#include "observe/events.h"
#include "outlets/http/settings.h"
#include "share/client_book.h"
#include "share/dispenser.h"

namespace qanat::node {

// Where clients reach the node's https outlet.
struct Reach {
  std::string address;   // empty: it has none
  bool guessed = false;  // it listens on every address, and this is one of them
};

// "HOST[:PORT]" with the port of `own`, an address, where it says none; or that of https outlets.
std::string with_https_port(const std::string& address, const std::string& own);
// What should be said of an address that nobody gave: that it is a guess, or of this machine alone;
// empty: nothing.
std::string doubts_of(const Reach& reach);

// What it works on; all outlive it.
struct Controlled {
  share::ClientBook& book;
  ClientStore& clients;
  share::Dispenser& dispenser;
  observe::Events& events;
  const StateWatch& state;
  const Clock& clock;
  std::function<const Identity*()> identity;  // null: a feed, which has no clients
  std::function<Reach()> reach;
  std::function<void()> check_state;  // at each action
  std::function<void()> retest;
  std::function<void()> feed;
  Alarms& alarms;
};

// Any thread.
class Control {
 public:
  explicit Control(Controlled node) : node_(std::move(node)) {}

  // Total: whatever is asked, there is a status code and JSON.
  outlets::ControlAnswer answer(std::string_view method, std::string_view path,
                                std::string_view body);

 private:
  outlets::ControlAnswer invite(const boost::json::object& request);
  outlets::ControlAnswer invite_observer(const std::string& name, bool replace);
  // The answer with what was invited, which is undone where nobody takes it.
  outlets::ControlAnswer given_out(const boost::json::object& given, const std::string& name,
                                   ClientStore::Invitation& invited);
  outlets::ControlAnswer begin_alarm_test();
  outlets::ControlAnswer alarms_tested() const;
  outlets::ControlAnswer withdraw(const boost::json::object& request);
  outlets::ControlAnswer revoke(const boost::json::object& request);
  outlets::ControlAnswer allow(const boost::json::object& request);
  outlets::ControlAnswer revoked() const;

  const Controlled node_;
};

}  // namespace qanat::node
