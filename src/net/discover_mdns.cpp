#include "net/discover_mdns.h"

#include <fmt/core.h>

#ifdef QANAT_AVAHI

#include <net/if.h>

#include <algorithm>
#include <array>
#include <memory>

#include "net/avahi.h"

namespace qanat::net {
namespace {

constexpr Duration browse_time = std::chrono::seconds(3);
constexpr int step_ms = 50;

// One browse, from its beginning to "all for now". Avahi's objects end with their client.
class Browse {
 public:
  Result<std::vector<Place>> run(const char* type, const Waker& waker);

 private:
  static void on_client(AvahiClient* client, AvahiClientState state, void* self);
  static void on_browse(AvahiServiceBrowser* browser, AvahiIfIndex interface,
                        AvahiProtocol protocol, AvahiBrowserEvent event, const char* name,
                        const char* type, const char* domain, AvahiLookupResultFlags flags,
                        void* self);
  static void on_resolve(AvahiServiceResolver* resolver, AvahiIfIndex interface,
                         AvahiProtocol protocol, AvahiResolverEvent event, const char* name,
                         const char* type, const char* domain, const char* host,
                         const AvahiAddress* address, std::uint16_t port, AvahiStringList* text,
                         AvahiLookupResultFlags flags, void* self);

  AvahiClient* client_ = nullptr;
  std::vector<Place> places_;
  int resolving_ = 0;
  bool all_for_now_ = false;
  std::string problem_;
};

void Browse::on_client(AvahiClient* client, AvahiClientState state, void* self) {
  if (state == AVAHI_CLIENT_FAILURE) {
    static_cast<Browse*>(self)->problem_ =
        avahi().avahi_strerror(avahi().avahi_client_errno(client));
  }
}

void Browse::on_browse(AvahiServiceBrowser*, AvahiIfIndex interface, AvahiProtocol protocol,
                       AvahiBrowserEvent event, const char* name, const char* type,
                       const char* domain, AvahiLookupResultFlags, void* self) {
  auto* const browse = static_cast<Browse*>(self);
  if (event == AVAHI_BROWSER_NEW &&
      avahi().avahi_service_resolver_new(browse->client_, interface, protocol, name, type, domain,
                                         AVAHI_PROTO_UNSPEC, AvahiLookupFlags{}, on_resolve,
                                         self) != nullptr) {
    ++browse->resolving_;
  }
  if (event == AVAHI_BROWSER_ALL_FOR_NOW) browse->all_for_now_ = true;
  if (event == AVAHI_BROWSER_FAILURE) {
    browse->problem_ = avahi().avahi_strerror(avahi().avahi_client_errno(browse->client_));
  }
}

void Browse::on_resolve(AvahiServiceResolver* resolver, AvahiIfIndex interface, AvahiProtocol,
                        AvahiResolverEvent event, const char*, const char*, const char*,
                        const char* host, const AvahiAddress* address, std::uint16_t port,
                        AvahiStringList*, AvahiLookupResultFlags, void* self) {
  auto* const browse = static_cast<Browse*>(self);
  if (event == AVAHI_RESOLVER_FOUND) {
    std::array<char, AVAHI_ADDRESS_STR_MAX> text{};
    avahi().avahi_address_snprint(text.data(), text.size(), address);
    std::string at = text.data();
    // An address of the link says nothing without its interface.
    std::array<char, IF_NAMESIZE> link{};
    if (at.starts_with("fe80:") &&
        ::if_indextoname(static_cast<unsigned>(interface), link.data()) != nullptr) {
      at += fmt::format("%{}", link.data());
    }
    browse->places_.push_back({{at, port}, host});
  }
  --browse->resolving_;
  avahi().avahi_service_resolver_free(resolver);
}

Result<std::vector<Place>> Browse::run(const char* type, const Waker& waker) {
  const std::unique_ptr<AvahiSimplePoll, decltype(&::avahi_simple_poll_free)> poll(
      avahi().avahi_simple_poll_new(), avahi().avahi_simple_poll_free);
  if (!poll) return error("mDNS: no memory");
  int code = 0;
  const std::unique_ptr<AvahiClient, decltype(&::avahi_client_free)> client(
      avahi().avahi_client_new(avahi().avahi_simple_poll_get(poll.get()), AvahiClientFlags{},
                               on_client, this, &code),
      avahi().avahi_client_free);
  if (!client) {
    return error(fmt::format("mDNS: no Avahi daemon answers ({}); start it, or name the hub's host",
                             avahi().avahi_strerror(code)));
  }
  client_ = client.get();
  if (avahi().avahi_service_browser_new(client_, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, type, nullptr,
                                        AvahiLookupFlags{}, on_browse, this) == nullptr) {
    return error(
        fmt::format("mDNS: {}", avahi().avahi_strerror(avahi().avahi_client_errno(client_))));
  }
  const TimePoint end = Clock().now() + browse_time;
  while (problem_.empty() && !(all_for_now_ && resolving_ == 0) && Clock().now() < end) {
    if (waker.is_woken()) return interrupted();
    avahi().avahi_simple_poll_iterate(poll.get(), step_ms);
  }
  if (!problem_.empty()) return error("mDNS: " + problem_);
  if (places_.empty()) return error(fmt::format("mDNS: nobody on this link offers {}", type));
  // IPv4 first: it needs no interface. Each once, though it was seen on several interfaces.
  std::stable_sort(places_.begin(), places_.end(), [](const Place& a, const Place& b) {
    const auto is_v6 = [](const Place& place) {
      return place.address.host.find(':') != std::string::npos;
    };
    return is_v6(a) < is_v6(b);
  });
  std::vector<Place> unique;
  for (Place& place : places_) {
    const bool known = std::any_of(unique.begin(), unique.end(), [&](const Place& other) {
      return other.address == place.address;
    });
    if (!known) unique.push_back(std::move(place));
  }
  return unique;
}

}  // namespace

Result<void> mdns() {
  const auto& there = avahi().there();
  return there ? there : error("mDNS: " + there.error().message);
}

Result<std::vector<Place>> discover_mdns(const char* type, const Waker& waker) {
  if (const auto there = mdns(); !there) return tl::unexpected(there.error());
  return Browse().run(type, waker);
}

}  // namespace qanat::net

#else

namespace qanat::net {

Result<void> mdns() {
  return error("mDNS: this qanat was built without Avahi's library (libavahi-client-dev)");
}
Result<std::vector<Place>> discover_mdns(const char*, const Waker&) {
  return tl::unexpected(mdns().error());
}

}  // namespace qanat::net

#endif
