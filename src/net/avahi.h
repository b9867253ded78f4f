// Avahi's libraries, with that of D-Bus, loaded for the first service that is announced or looked
// for by mDNS. Where it was built without them nobody includes this.
#pragma once

#include <avahi-client/client.h>
#include <avahi-client/lookup.h>
#include <avahi-client/publish.h>
#include <avahi-common/alternative.h>
#include <avahi-common/error.h>
#include <avahi-common/malloc.h>
#include <avahi-common/simple-watch.h>
#include <avahi-common/strlst.h>
#include <avahi-common/thread-watch.h>
#include <avahi-common/timeval.h>

#include "base/library.h"

namespace qanat::net {

struct Avahi : Libraries {
  // The first: its package brings the other.
  const Library client = load("avahi-client", 3);
  const Library common = load("avahi-common", 3);

  QANAT_FUNCTION(common, avahi_address_snprint);
  QANAT_FUNCTION(common, avahi_alternative_service_name);
  QANAT_FUNCTION(common, avahi_elapse_time);
  QANAT_FUNCTION(common, avahi_free);
  QANAT_FUNCTION(common, avahi_simple_poll_free);
  QANAT_FUNCTION(common, avahi_simple_poll_get);
  QANAT_FUNCTION(common, avahi_simple_poll_iterate);
  QANAT_FUNCTION(common, avahi_simple_poll_new);
  QANAT_FUNCTION(common, avahi_strerror);
  QANAT_FUNCTION(common, avahi_string_list_add);
  QANAT_FUNCTION(common, avahi_string_list_free);
  QANAT_FUNCTION(common, avahi_threaded_poll_free);
  QANAT_FUNCTION(common, avahi_threaded_poll_get);
  QANAT_FUNCTION(common, avahi_threaded_poll_new);
  QANAT_FUNCTION(common, avahi_threaded_poll_start);
  QANAT_FUNCTION(common, avahi_threaded_poll_stop);

  QANAT_FUNCTION(client, avahi_client_errno);
  QANAT_FUNCTION(client, avahi_client_free);
  QANAT_FUNCTION(client, avahi_client_new);
  QANAT_FUNCTION(client, avahi_entry_group_add_service_strlst);
  QANAT_FUNCTION(client, avahi_entry_group_commit);
  QANAT_FUNCTION(client, avahi_entry_group_get_client);
  QANAT_FUNCTION(client, avahi_entry_group_new);
  QANAT_FUNCTION(client, avahi_entry_group_reset);
  QANAT_FUNCTION(client, avahi_service_browser_new);
  QANAT_FUNCTION(client, avahi_service_resolver_free);
  QANAT_FUNCTION(client, avahi_service_resolver_new);
};

inline const Avahi& avahi() {
  static const Avahi loaded;
  return loaded;
}

}  // namespace qanat::net
