#include "net/announce_mdns.h"

#include <fmt/core.h>
#include <unistd.h>

#include <array>

#include "base/error.h"

#ifdef QANAT_AVAHI

#include "net/avahi.h"

namespace qanat::net {
namespace {

constexpr unsigned retry_ms = 5000;

// Avahi's thread calls the callbacks; it ends before the object does.
class AvahiAnnouncement final : public Announcement {
 public:
  AvahiAnnouncement(Service service, std::function<void(const std::string&, EventKind)> on_event)
      : service_(std::move(service)),
        on_event_(std::move(on_event)),
        poll_(avahi().avahi_threaded_poll_new(), avahi().avahi_threaded_poll_free) {
    std::array<char, 256> host{};
    ::gethostname(host.data(), host.size() - 1);
    name_ = host.data();
    if (!poll_) throw Failure("mDNS: no memory");
    connect();
    avahi().avahi_threaded_poll_start(poll_.get());
  }
  ~AvahiAnnouncement() override {
    avahi().avahi_threaded_poll_stop(poll_.get());
    if (client_ != nullptr) avahi().avahi_client_free(client_);  // and its group
  }

 private:
  void connect() {
    int code = 0;
    group_ = nullptr;
    client_ = avahi().avahi_client_new(avahi().avahi_threaded_poll_get(poll_.get()),
                                       AVAHI_CLIENT_NO_FAIL, on_client, this, &code);
    if (client_ != nullptr) return;
    if (retry_ == nullptr) problem(code);
    connect_later();
  }
  // Where not even D-Bus is there, Avahi's library does not wait by itself.
  void connect_later() {
    timeval at{};
    avahi().avahi_elapse_time(&at, retry_ms, 0);
    const AvahiPoll* const poll = avahi().avahi_threaded_poll_get(poll_.get());
    if (retry_ == nullptr) {
      retry_ = poll->timeout_new(
          poll, &at,
          [](AvahiTimeout*, void* self) {
            auto* const announcement = static_cast<AvahiAnnouncement*>(self);
            if (announcement->client_ == nullptr) announcement->connect();
          },
          this);
    } else {
      poll->timeout_update(retry_, &at);
    }
  }
  void problem(int code) {
    on_event_(
        fmt::format("cannot announce {} by mDNS: {}", service_.type, avahi().avahi_strerror(code)),
        EventKind::warning);
  }

  static void on_client(AvahiClient* client, AvahiClientState state, void* self) {
    auto* const announcement = static_cast<AvahiAnnouncement*>(self);
    // Called from within avahi_client_new too, before that has returned.
    announcement->client_ = client;
    switch (state) {
      case AVAHI_CLIENT_S_RUNNING:
        announcement->publish();
        break;
      case AVAHI_CLIENT_FAILURE:
        // The daemon has gone: a new client waits for the next.
        announcement->problem(avahi().avahi_client_errno(client));
        avahi().avahi_client_free(client);
        announcement->connect();
        break;
      case AVAHI_CLIENT_CONNECTING:
        announcement->on_event_("mDNS: no Avahi daemon answers; announcing as soon as one does",
                                EventKind::warning);
        break;
      case AVAHI_CLIENT_S_COLLISION:
      case AVAHI_CLIENT_S_REGISTERING:
        // The machine's own name changes: all is announced again once that is done.
        if (announcement->group_ != nullptr) avahi().avahi_entry_group_reset(announcement->group_);
        break;
    }
  }

  static void on_group(AvahiEntryGroup* group, AvahiEntryGroupState state, void* self) {
    auto* const announcement = static_cast<AvahiAnnouncement*>(self);
    announcement->group_ = group;
    if (state == AVAHI_ENTRY_GROUP_ESTABLISHED) {
      announcement->on_event_(fmt::format("announced as {}.{}.local by mDNS", announcement->name_,
                                          announcement->service_.type),
                              EventKind::note);
    } else if (state == AVAHI_ENTRY_GROUP_COLLISION) {
      announcement->take_another_name();
      announcement->publish();
    } else if (state == AVAHI_ENTRY_GROUP_FAILURE) {
      announcement->problem(
          avahi().avahi_client_errno(avahi().avahi_entry_group_get_client(group)));
    }
  }

  void take_another_name() {
    char* const other = avahi().avahi_alternative_service_name(name_.c_str());
    name_ = other;
    avahi().avahi_free(other);
  }

  void publish() {
    if (group_ == nullptr) group_ = avahi().avahi_entry_group_new(client_, on_group, this);
    if (group_ == nullptr) return problem(avahi().avahi_client_errno(client_));
    for (;;) {
      AvahiStringList* text = nullptr;
      for (const std::string& line : service_.text) {
        text = avahi().avahi_string_list_add(text, line.c_str());
      }
      const int code = avahi().avahi_entry_group_add_service_strlst(
          group_, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, AvahiPublishFlags{}, name_.c_str(),
          service_.type.c_str(), nullptr, nullptr, service_.port, text);
      avahi().avahi_string_list_free(text);
      if (code == AVAHI_ERR_COLLISION) {
        take_another_name();
        avahi().avahi_entry_group_reset(group_);
        continue;
      }
      if (code < 0) return problem(code);
      break;
    }
    if (const int code = avahi().avahi_entry_group_commit(group_); code < 0) problem(code);
  }

  const Service service_;
  const std::function<void(const std::string&, EventKind)> on_event_;
  std::string name_;
  const std::unique_ptr<AvahiThreadedPoll, decltype(&::avahi_threaded_poll_free)> poll_;
  AvahiClient* client_ = nullptr;
  AvahiEntryGroup* group_ = nullptr;
  AvahiTimeout* retry_ = nullptr;
};

}  // namespace

std::unique_ptr<Announcement> announce_mdns(
    Service service, std::function<void(const std::string& text, EventKind kind)> on_event) {
  return std::make_unique<AvahiAnnouncement>(std::move(service), std::move(on_event));
}

}  // namespace qanat::net

#else

namespace qanat::net {

std::unique_ptr<Announcement> announce_mdns(Service,
                                            std::function<void(const std::string&, EventKind)>) {
  return nullptr;
}

}  // namespace qanat::net

#endif
