#include "outlets/registry.h"

#include <fmt/core.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/quantity.h"
#include "base/run_directory.h"
#include "outlets/broker/producer.h"
#include "outlets/egd.h"
#include "outlets/fifo.h"
#include "outlets/http/http.h"
#include "outlets/kernel_pool.h"
#include "outlets/raw.h"
#include "outlets/rngnet.h"
#include "outlets/seed_file.h"
#include "outlets/settings.h"
#include "outlets/standard_output.h"
#include "outlets/vmport.h"

namespace qanat::outlets {
namespace {

using spec::Grade;
using spec::Spec;

std::unique_ptr<serve::Outlet> make_http(const Spec& spec, const OutletDefaults& defaults,
                                         const serve::OutletServices& services) {
  return std::make_unique<HttpOutlet>(http_settings(spec, defaults), services);
}

OutletDescription describe_http(const Spec& spec) {
  const HttpSettings settings = http_settings(spec, {});
  const std::string who = settings.access == Access::open ? "whoever reaches it may draw"
                          : settings.access == Access::join
                              ? "who has a join string may draw"
                              : "who has a certificate of " + *settings.ca_file + " may draw";
  OutletDescription description{spec.text, "tcp " + settings.address.text(), who};
  for (const auto& file : {settings.certificate_file, settings.key_file, settings.ca_file}) {
    if (!file || ::access(file->c_str(), R_OK) == 0) continue;
    description.note +=
        fmt::format("; it does not start: cannot read {}", with_errno(*file, errno));
    break;
  }
  return description;
}

OutletDescription describe_scheduled(const Spec& spec) {
  const serve::Schedule schedule = schedule_of(spec, {});
  return {spec.text, spec.target.empty() ? spec.type : spec.target,
          fmt::format("{} bytes every {}, grade {}", schedule.bytes,
                      format_duration(schedule.every), to_string(schedule.grade))};
}

OutletDescription describe_stream(const serve::StreamSettings& settings) {
  const serve::StreamAddress& at = settings.at;
  const bool local = !at.unix_path.empty();
  const bool guests = at.vsock_port != 0;
  const std::string who =
      guests              ? "every guest of this machine may draw"
      : !local            ? "whoever reaches it may draw"
      : at.unix_mode & 07 ? "every user of this machine may draw"
                          : fmt::format("mode {:04o}{}", at.unix_mode,
                                        at.unix_group.empty() ? "" : ", group " + at.unix_group);
  return {settings.name, (local || guests ? "" : "tcp ") + at.text(),
          fmt::format("{}, grade {}", who, to_string(settings.grade))};
}

constexpr std::uint16_t egd_port = 8888;

OutletDescription describe_netrng(const Spec& spec) {
  const NetrngSettings settings = netrng_settings(spec, {});
  OutletDescription description = describe_stream(settings.stream);
  description.note += fmt::format(", samples of {} bytes", settings.sample_bytes);
  if (settings.announce) description.note += ", announced by mDNS";
  return description;
}

OutletDescription describe_broker(const Spec& spec) {
  if (is_account(spec)) {
    const auto account = broker_account(spec);
    return {
        spec.text, spec.text,
        fmt::format("delivers to the broker at {} as {}, grade {}; whoever listens on the way "
                    "and finds the password has all that was sent",
                    account.address.text(), account.user, to_string(grade_of(spec, Grade::full)))};
  }
  const BrokerSettings settings = broker_settings(spec, {});
  return {spec.text, "tcp " + settings.stream.at.address.text(),
          fmt::format("who is in {} may draw and deliver (credited {}), grade {}; whoever listens "
                      "on the way can try passwords at leisure, and has with one all that was "
                      "sent: keep it on a network of your own",
                      settings.users_file,
                      settings.claim.credit ? format_bits(settings.claim.h) + " a byte" : "0",
                      to_string(settings.stream.grade))};
}

struct Type {
  std::string_view name;
  std::string_view options;  // beside the common ones
  std::string_view summary;
  std::unique_ptr<serve::Outlet> (*make)(const Spec&, const OutletDefaults&,
                                         const serve::OutletServices&);
  OutletDescription (*describe)(const Spec&);
  // Where options change them.
  serve::Limits (*limits)(const Spec&, const OutletDefaults&) = nullptr;
};

serve::Limits http_limits(const Spec& spec, const OutletDefaults& defaults) {
  return http_settings(spec, defaults).limits;
}

constexpr std::array types{
    Type{"https", "access cert key ca grade connections", "the HTTP API over TLS 1.3", make_http,
         describe_http, http_limits},
    Type{"http", "access host grade connections", "the HTTP API", make_http, describe_http,
         http_limits},
    Type{"trickle", "", "seeds by UDP (docs/trickle.md)",
         [](const Spec& s, const OutletDefaults& d,
            const serve::OutletServices& services) -> std::unique_ptr<serve::Outlet> {
           return std::make_unique<TrickleOutlet>(trickle_settings(s, d), services);
         },
         [](const Spec& s) -> OutletDescription {
           return {s.text, "udp " + trickle_settings(s, {}).address.text(),
                   "who has a cookie from a session over https may draw"};
         }},
    Type{"egd", "grade mode group connections access",
         "EGD, on a UNIX socket or //HOST:PORT (docs/protocols/egd.md)",
         [](const Spec& s, const OutletDefaults& d,
            const serve::OutletServices& services) -> std::unique_ptr<serve::Outlet> {
           return make_egd(stream_settings(s, d, egd_port), services);
         },
         [](const Spec& s) { return describe_stream(stream_settings(s, {}, egd_port)); },
         [](const Spec& s, const OutletDefaults& d) {
           return stream_settings(s, d, egd_port).limits;
         }},
    Type{"raw", "grade mode group connections access",
         "bytes for whoever connects, on a UNIX socket or //HOST:PORT",
         [](const Spec& s, const OutletDefaults& d,
            const serve::OutletServices& services) -> std::unique_ptr<serve::Outlet> {
           return make_raw(stream_settings(s, d, std::nullopt), services);
         },
         [](const Spec& s) { return describe_stream(stream_settings(s, {}, std::nullopt)); },
         [](const Spec& s, const OutletDefaults& d) {
           return stream_settings(s, d, std::nullopt).limits;
         }},
    Type{"rngnet", "bytes every grade",
         "datagrams to rngnet receivers: HOST:PORT,HOST:PORT (docs/protocols/rngnet.md)",
         [](const Spec& s, const OutletDefaults&,
            const serve::OutletServices& services) -> std::unique_ptr<serve::Outlet> {
           return std::make_unique<Rngnet>(s.text, rngnet_recipients(s), rngnet_schedule(s),
                                           services);
         },
         [](const Spec& s) -> OutletDescription {
           const serve::Schedule schedule = rngnet_schedule(s);
           return {s.text, s.text,
                   fmt::format("{} bytes every {} to {} recipients in turn, in the clear: whoever "
                               "listens on the way has them too",
                               schedule.bytes, format_duration(schedule.every),
                               rngnet_recipients(s).size())};
         }},
    Type{
        "netrng", "bytes clients announce grade connections access",
        "NetRNG: //ADDR:8989 (docs/protocols/netrng.md)",
        [](const Spec& s, const OutletDefaults& d,
           const serve::OutletServices& services) -> std::unique_ptr<serve::Outlet> {
          return make_netrng(netrng_settings(s, d), services);
        },
        describe_netrng,
        [](const Spec& s, const OutletDefaults& d) { return netrng_settings(s, d).stream.limits; }},
    Type{"broker", "users cipher mac hash h credit grade connections access",
         "Entropy Broker: //HOST:PORT for its consumers and producers, or "
         "//USER:PASSFILE@HOST:PORT, "
         "one to deliver to (docs/protocols/broker.md)",
         [](const Spec& s, const OutletDefaults& d,
            const serve::OutletServices& services) -> std::unique_ptr<serve::Outlet> {
           if (is_account(s)) {
             return std::make_unique<BrokerProducer>(
                 s.text, broker_account(s), grade_of(s, Grade::full), terms_of(s), services);
           }
           return std::make_unique<Broker>(broker_settings(s, d), services);
         },
         describe_broker,
         [](const Spec& s, const OutletDefaults& d) {
           return is_account(s) ? d.http : broker_settings(s, d).stream.limits;
         }},
    Type{"vmport", "grade mode group connections",
         "seeds for guests: a UNIX socket to which hypervisors connect a virtio-serial port "
         "(docs/virtual-machines.md)",
         [](const Spec& s, const OutletDefaults& d,
            const serve::OutletServices& services) -> std::unique_ptr<serve::Outlet> {
           return make_vmport(vmport_settings(s, d), services);
         },
         [](const Spec& s) { return describe_stream(vmport_settings(s, {})); },
         [](const Spec& s, const OutletDefaults& d) { return vmport_settings(s, d).limits; }},
    Type{"vsock", "grade connections", "the same, at a vsock port: vsock:PORT",
         [](const Spec& s, const OutletDefaults& d,
            const serve::OutletServices& services) -> std::unique_ptr<serve::Outlet> {
           return make_vmport(vsock_settings(s, d), services);
         },
         [](const Spec& s) { return describe_stream(vsock_settings(s, {})); },
         [](const Spec& s, const OutletDefaults& d) { return vsock_settings(s, d).limits; }},
    Type{"kernel", "every bytes grade", "the local kernel's pool",
         [](const Spec& s, const OutletDefaults& d,
            const serve::OutletServices& services) -> std::unique_ptr<serve::Outlet> {
           return std::make_unique<KernelPool>(s.text, schedule_of(s, d.schedule), services);
         },
         describe_scheduled},
    Type{"file", "every bytes grade", "a boot seed",
         [](const Spec& s, const OutletDefaults& d,
            const serve::OutletServices& services) -> std::unique_ptr<serve::Outlet> {
           return std::make_unique<SeedFile>(s.text, require_target(s), schedule_of(s, d.schedule),
                                             services);
         },
         [](const Spec& s) {
           require_target(s);
           return describe_scheduled(s);
         }},
    Type{"stdout", "every bytes grade", "raw bytes on standard output",
         [](const Spec& s, const OutletDefaults& d,
            const serve::OutletServices& services) -> std::unique_ptr<serve::Outlet> {
           return std::make_unique<StandardOutput>(s.text, schedule_of(s, d.schedule), services);
         },
         describe_scheduled},
    Type{"fifo", "grade", "whoever reads a FIFO",
         [](const Spec& s, const OutletDefaults&,
            const serve::OutletServices& services) -> std::unique_ptr<serve::Outlet> {
           return std::make_unique<Fifo>(s.text, require_target(s), grade_of(s, Grade::full),
                                         terms_of(s), services);
         },
         [](const Spec& s) -> OutletDescription {
           return {s.text, require_target(s),
                   fmt::format("grade {}, to whoever may open it",
                               to_string(grade_of(s, Grade::full)))};
         }},
};

Spec parse(const std::string& text) {
  auto spec = spec::parse_spec(text);
  if (!spec) throw Failure(spec.error().message);
  return *spec;
}

// Of all outlets.
constexpr std::string_view common_options = "rate burst weight";

std::string all_options(const Type& type) {
  return type.options.empty() ? std::string(common_options)
                              : fmt::format("{} {}", type.options, common_options);
}

const Type& type_of(const Spec& spec) {
  for (const Type& type : types) {
    if (type.name != spec.type) continue;
    const std::string options = all_options(type);
    const std::string known = fmt::format(" {} ", options);
    for (const auto& [key, value] : spec.options) {
      if (known.find(fmt::format(" {} ", key)) == std::string::npos) {
        throw Failure(
            fmt::format("{}: unknown option '{}'; known here: {}", spec.text, key, options));
      }
    }
    return type;
  }
  std::string known;
  for (const Type& type : types) known += fmt::format("{}{}", known.empty() ? "" : ", ", type.name);
  throw Failure(fmt::format("unknown outlet '{}': known are {}", spec.type, known));
}

}  // namespace

OutletDescription describe_outlet(const std::string& text) {
  const Spec spec = parse(text);
  OutletDescription description = type_of(spec).describe(spec);
  const share::Terms terms = terms_of(spec);
  if (terms.rate > 0) {
    description.note += "; promised " + format_rate(static_cast<double>(terms.rate));
  }
  if (terms.weight != 1) description.note += fmt::format("; weight {:g}", terms.weight);
  return description;
}

std::unique_ptr<serve::Outlet> make_outlet(const std::string& text, const OutletDefaults& defaults,
                                           const serve::OutletServices& services) {
  const Spec spec = parse(text);
  return type_of(spec).make(spec, defaults, services);
}

serve::Limits limits_of(const std::string& text, const OutletDefaults& defaults) {
  const Spec spec = parse(text);
  const Type& type = type_of(spec);
  return type.limits == nullptr ? defaults.http : type.limits(spec, defaults);
}

std::vector<std::string> default_outlets() {
  std::vector<std::string> outlets{"http://127.0.0.1:7748"};
  // As open as HTTP on loopback is. No user can take the others' share, nor all connections.
  const std::string directory = run_directory();
  if (!directory.empty()) outlets.push_back("egd:" + directory + "/egd?mode=0666");
  return outlets;
}

std::vector<std::string> outlet_help() {
  std::vector<std::string> lines;
  for (const Type& type : types) {
    lines.push_back(fmt::format("{:<8}{}", type.name, type.summary));
    if (!type.options.empty()) lines.push_back(fmt::format("{:<8}  {}", "", type.options));
  }
  return lines;
}

}  // namespace qanat::outlets
