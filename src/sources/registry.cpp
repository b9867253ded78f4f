#include "sources/registry.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/quantity.h"
#include "sources/broker.h"
#include "sources/cpu.h"
#include "sources/device.h"
#include "sources/egd.h"
#include "sources/exec.h"
#include "sources/file.h"
#include "sources/jitter.h"
#include "sources/kernel.h"
#include "sources/netrng.h"
#include "sources/rngnet.h"
#include "sources/runner/sample_runner.h"
#include "sources/runner/skipping.h"
#include "sources/upstream/kept_join_strings.h"
#include "sources/vmport.h"
#include "spec/options.h"

namespace qanat::sources {
namespace {

using spec::Spec;

std::string hwrng_path(const Spec& spec) {
  return spec.target.empty() ? "/dev/hwrng" : spec.target;
}

std::optional<unsigned> baud_of(const Spec& spec) {
  const auto text = spec.option("baud");
  if (!text) return std::nullopt;
  const auto baud = parse_number<unsigned>(*text);
  if (!baud || !known_baud(*baud)) {
    throw Failure(
        fmt::format("{}: baud={} is not a line speed; 115200 is usual", spec.text, *text));
  }
  return baud;
}

// One line a type. `h` is the claim when the operator makes none: conservative, as a claim that is
// too high is a lie to every client, and one that is too low only costs time.
// "//HOST:PORT" is TCP, anything else the path of a UNIX socket.
template <typename Kind>
std::unique_ptr<Source> make_stream(const Spec& spec, std::optional<std::uint16_t> usual_port) {
  if (!spec.target.starts_with("//")) return std::make_unique<Kind>(spec.target, spec::Address());
  const auto address = spec::parse_address(spec.target, usual_port);
  if (!address) throw Failure(fmt::format("{}: {}", spec.text, address.error().message));
  return std::make_unique<Kind>("", *address);
}

constexpr std::uint16_t egd_port = 8888;

wire::broker::Account broker_account(const Spec& spec) {
  auto account = wire::broker::parse_account(spec.target);
  if (!account) throw Failure(fmt::format("{}: {}", spec.text, account.error().message));
  return std::move(*account);
}

struct RngnetOptions {
  spec::Address address;
  std::size_t bytes = wire::rngnet::usual_bytes;
};

RngnetOptions rngnet_options(const Spec& spec) {
  using namespace wire::rngnet;
  RngnetOptions options;
  auto address = spec::parse_address(spec.target, usual_port);
  if (!address) throw Failure(fmt::format("{}: {}", spec.text, address.error().message));
  options.address = std::move(*address);
  options.bytes = spec::size_of(spec, "bytes", usual_bytes, least_bytes, most_bytes);
  return options;
}

// What the host says: it could read the guest's memory anyway. Another CID is whoever answers.
VmportSettings vmport_settings(const Spec& spec) {
  VmportSettings settings;
  settings.name = spec.text;
  if (spec.type == "vmport") {
    settings.path = spec.target;
  } else {
    auto address = spec::parse_vsock_address(spec.target);
    if (!address) throw Failure(fmt::format("{}: {}", spec.text, address.error().message));
    settings.vsock = *address;
  }
  const bool host = !settings.path.empty() || settings.vsock.cid == spec::VsockAddress::host_cid;
  settings.credit = spec::yes_or_no(spec, "credit", host);
  return settings;
}

std::unique_ptr<RunningSource> run_vmport(const Spec& spec, entropy::Claim,
                                          const SourceServices& services) {
  return std::make_unique<Vmport>(vmport_settings(spec), services);
}

struct Type {
  std::string_view name;
  std::string_view target;  // what must follow its ':', for people; empty: nothing
  double h;
  bool credit;
  std::string_view options;  // beside h and credit
  std::string_view summary;
  std::unique_ptr<Source> (*make)(const Spec&);
  // Of one that is pushed to, instead of `make`.
  std::unique_ptr<RunningSource> (*run)(const Spec&, entropy::Claim,
                                        const SourceServices&) = nullptr;
};

constexpr std::array types{
    // Of the kernel's hwrng interface: quality is the driver's word (1024 of 1024 for virtio-rng).
    Type{"hwrng", "", 7, true, "skip", "the kernel's hardware RNG, /dev/hwrng",
         [](const Spec& s) -> std::unique_ptr<Source> {
           return std::make_unique<Device>(hwrng_path(s), std::nullopt);
         }},
    // Intel and AMD claim full entropy (8); half of it, as nobody can look inside.
    Type{"rdseed", "", 4, true, "", "the processor's entropy source",
         [](const Spec&) -> std::unique_ptr<Source> { return std::make_unique<Rdseed>(); }},
    Type{"rdrand", "", 4, false, "", "the processor's DRBG; mixed in, credited 0",
         [](const Spec&) -> std::unique_ptr<Source> { return std::make_unique<Rdrand>(); }},
    // The best predictor tried found 4.4 bits a sample (docs/sources.md); a quarter of that, less.
    Type{"jitter", "", 1, true, "", "CPU timing noise",
         [](const Spec&) -> std::unique_ptr<Source> { return std::make_unique<Jitter>(); }},
    Type{"kernel", "", 4, false, "", "the local kernel's getrandom; mixed in, credited 0",
         [](const Spec&) -> std::unique_ptr<Source> { return std::make_unique<Kernel>(); }},
    // Unknown hardware: half.
    Type{"device", "PATH", 4, true, "baud skip", "a character device or serial line",
         [](const Spec& s) -> std::unique_ptr<Source> {
           return std::make_unique<Device>(s.target, baud_of(s));
         }},
    Type{"file", "PATH", 4, true, "", "a FIFO, or a file that is read once",
         [](const Spec& s) -> std::unique_ptr<Source> { return std::make_unique<File>(s.target); }},
    Type{"exec", "COMMAND", 4, true, "skip", "what a command prints",
         [](const Spec& s) -> std::unique_ptr<Source> { return std::make_unique<Exec>(s.target); }},
    // Nobody knows what is behind it.
    Type{"egd", "PATH", 4, false, "", "another EGD: a UNIX socket or //HOST:PORT; credited 0",
         [](const Spec& s) -> std::unique_ptr<Source> { return make_stream<Egd>(s, egd_port); }},
    Type{"rngnet", "//ADDR:PORT", 4, false, "bytes",
         "what an rngnet sender pushes to //ADDR:PORT; credited 0", nullptr,
         [](const Spec& s, entropy::Claim claim,
            const SourceServices& services) -> std::unique_ptr<RunningSource> {
           const RngnetOptions options = rngnet_options(s);
           return std::make_unique<Rngnet>(s.text, options.address, options.bytes, claim, services);
         }},
    Type{"netrng", "//HOST:PORT", 4, false, "", "a NetRNG server: //HOST:8989; credited 0",
         [](const Spec& s) -> std::unique_ptr<Source> {
           auto address = spec::parse_address(s.target, wire::netrng::usual_port);
           if (!address) throw Failure(fmt::format("{}: {}", s.text, address.error().message));
           return std::make_unique<Netrng>(std::move(*address));
         }},
    Type{"broker", "//USER:PASSFILE@HOST:PORT", 4, false, "",
         "an Entropy Broker, as a consumer: //USER:PASSFILE@HOST:PORT; credited 0",
         [](const Spec& s) -> std::unique_ptr<Source> {
           return std::make_unique<Broker>(broker_account(s));
         }},
    // Already conditioned: no claim can be made of it but whether it counts.
    Type{"vmport", "PATH", 8, true, "", "seeds of the host's, in a guest: a virtio-serial port",
         nullptr, run_vmport},
    Type{"vsock", "CID:PORT", 8, true, "", "the same, from CID:PORT; the host is CID 2", nullptr,
         run_vmport},
    Type{"raw", "PATH", 4, false, "", "whatever a UNIX socket or //HOST:PORT sends; credited 0",
         [](const Spec& s) -> std::unique_ptr<Source> {
           return make_stream<StreamSource>(s, std::nullopt);
         }},
};

Spec parse(const std::string& text) {
  auto spec = spec::parse_spec(text);
  if (!spec) throw Failure(spec.error().message);
  return *spec;
}

const Type& type_of(const Spec& spec) {
  for (const Type& type : types) {
    if (type.name != spec.type) continue;
    if (!type.target.empty() && spec.target.empty()) {
      throw Failure(
          fmt::format("'{}' does not say which; write {}:{}", spec.text, type.name, type.target));
    }
    if (type.target.empty() && !spec.target.empty() && type.name != "hwrng") {
      throw Failure(fmt::format("{}: '{}' takes nothing after a ':'", spec.text, type.name));
    }
    return type;
  }
  std::string known;
  for (const Type& type : types) known += fmt::format("{}, ", type.name);
  throw Failure(fmt::format("unknown source '{}': known are {}https, http and join strings",
                            spec.type, known));
}

void check_options(const Spec& spec, std::string_view known) {
  for (const auto& [key, value] : spec.options) {
    const std::string list = fmt::format(" {} ", known);
    if (list.find(fmt::format(" {} ", key)) == std::string::npos) {
      throw Failure(fmt::format("{}: unknown option '{}'; known here: {}", spec.text, key, known));
    }
  }
}

std::string known_options(const Type& type) {
  return type.options.empty() ? "h credit" : fmt::format("h credit {}", type.options);
}

// The path that a source of this type opens; empty where it opens none.
std::string path_of(const Spec& spec) {
  if (spec.type == "hwrng") return hwrng_path(spec);
  return spec.type == "device" || spec.type == "file" ? spec.target : "";
}

// The word of a command that names such a device: the simple cases, as nobody can see through a
// command.
std::string worthless_word(const std::string& command) {
  constexpr std::string_view between = " \t\n'\"`;|&<>()=,";
  for (std::size_t begin = 0; begin < command.size();) {
    const std::size_t end = std::min(command.find_first_of(between, begin), command.size());
    std::string word = command.substr(begin, end - begin);
    const auto origin = word.starts_with('/') ? origin_of(word) : std::nullopt;
    if (origin && !worthless(*origin).empty()) return word;
    begin = end + 1;
  }
  return "";
}

// What is claimed of it. A command that reads the kernel's generator counts only for an operator
// who claims something of it.
entropy::Claim claim_of(const Type& type, const Spec& spec) {
  bool credit = type.credit;
  if (type.name == "exec" && !spec.option("h")) {
    credit = credit && worthless_word(spec.target).empty();
  }
  return spec::claim_of(spec, {type.h, credit});
}

std::size_t skip_of(const Spec& spec) {
  return spec::size_of(spec, "skip", 0, 0, Skipping::most_bytes);
}

std::unique_ptr<Source> make_bare(const Type& type, const Spec& spec) {
  auto source = type.make(spec);
  const std::size_t skip = skip_of(spec);
  return skip == 0 ? std::move(source) : std::make_unique<Skipping>(std::move(source), skip);
}

std::string note_of(const Type& type, const Spec& spec) {
  if (type.name == "exec") {
    const std::string word = worthless_word(spec.target);
    if (word.empty()) return "";
    return fmt::format(
        "it reads {}, whose entropy was counted where it came from: credited only as "
        "h= or credit=yes claims",
        word);
  }
  if (type.name == "file") {
    return "a regular file is read once a start: put new bytes in it, or add credit=no, lest a "
           "restart counts the same bytes again";
  }
  if (type.name == "egd" || type.name == "raw" || type.name == "netrng" || type.name == "rngnet") {
    return "it knows no keys: whoever answers there decides what comes, and on the way anybody "
           "can "
           "read it";
  }
  if (type.name == "vsock") {
    return "any program of the host may listen on a port of 1024 or more, and only root's below";
  }
  if (type.name == "broker") {
    return "whoever listens on the way can try passwords at leisure, and decide with one what "
           "comes";
  }
  if (type.name == "rdrand" && spec.option("credit") == "yes") {
    return "RDRAND is a DRBG: at most what RDSEED gives is in it";
  }
  if (type.name == "kernel" && spec.option("credit") == "yes") {
    return "the kernel's bytes are credited: what this node feeds to it comes back as new";
  }
  return "";
}

std::string text_without_query(const std::string& text) { return text.substr(0, text.find('?')); }

std::optional<crypto::Pin> parse_pin(const Spec& spec) {
  const auto text = spec.option("pin");
  if (!text) return std::nullopt;
  const auto bytes = from_hex(*text);
  crypto::Pin pin{};
  if (!bytes || bytes->size() != pin.size()) {
    throw Failure(fmt::format("{}: pin= is not 64 hex digits; the hub's status shows its pin",
                              text_without_query(spec.text)));
  }
  std::copy(bytes->begin(), bytes->end(), pin.begin());
  return pin;
}

bool pollen_of(const Spec& spec) { return spec::yes_or_no(spec, "pollen", false); }

// `seeds`: for this machine alone.
bool credit_of_upstream(const std::string& text, bool seeds) {
  if (wire::looks_like_join_string(text)) return true;
  const Spec spec = parse(text);
  // Nobody vouches for what comes over plain http, but a local socket's neighbour. And what a
  // pollen server's DRBG gives seeds a kernel, and is no full entropy for others.
  const auto address = spec::parse_address(spec.target, 7748);
  const bool safe = spec.type == "https" || (address && spec::is_loopback(address->host));
  return spec::yes_or_no(spec, "credit", safe && (seeds || !pollen_of(spec)));
}

}  // namespace

bool is_host_seed(const std::string& text) {
  return text.starts_with("vmport:") || text.starts_with("vsock:");
}

bool is_upstream(const std::string& text) {
  return wire::looks_like_join_string(text) || text.starts_with("https:") ||
         text.starts_with("http:");
}

peers::Endpoint parse_upstream(const std::string& text) {
  if (wire::looks_like_join_string(text)) {
    auto join = decode_join_string(text);
    if (!join) throw Failure(join.error().message);
    return peers::endpoint_of(std::move(*join));
  }
  if (!is_upstream(text)) {
    throw Failure(fmt::format(
        "'{}' is not an upstream: write a join string (from 'qanat invite' at the hub) or "
        "https://HOST:PORT",
        wire::without_secrets(text)));
  }
  const Spec spec = parse(text);
  check_options(spec, "credit pin ca cert key pollen");
  auto address = spec::parse_address(spec.target, spec.type == "https" ? 7749 : 7748);
  if (!address) {
    throw Failure(fmt::format("{}: {}", text_without_query(text), address.error().message));
  }
  peers::Endpoint endpoint;
  endpoint.address = *address;
  endpoint.tls = spec.type == "https";
  endpoint.trust = {.pin = parse_pin(spec),
                    .ca = spec.option("ca"),
                    .certificate = spec.option("cert"),
                    .key = spec.option("key")};
  endpoint.pollen = pollen_of(spec);
  return endpoint;
}

std::string upstream_name(const std::string& text) {
  const peers::Endpoint endpoint = parse_upstream(text);
  return endpoint.client_name.empty()
             ? endpoint.text()
             : fmt::format("{} as {}", endpoint.text(), endpoint.client_name);
}

std::unique_ptr<RunningSource> make_upstream(const std::vector<std::string>& texts,
                                             UpstreamSettings settings,
                                             const SourceServices& services) {
  std::vector<peers::Endpoint> endpoints;
  std::string name;
  for (const std::string& text : texts) {
    endpoints.push_back(parse_upstream(text));
    name += (name.empty() ? "" : ", ") + upstream_name(text);
    settings.credit = settings.credit && credit_of_upstream(text, services.seeds);
  }
  if (settings.quorum > 1) name = fmt::format("{} of {}", settings.quorum, name);
  return std::make_unique<Upstream>(name, std::move(endpoints), settings, services);
}

SourceDescription describe_source(const std::string& text) {
  if (is_upstream(text)) {
    const bool credit = credit_of_upstream(text, false);
    const bool pollen = parse_upstream(text).pollen;
    return {upstream_name(text), 8, credit,
            pollen   ? "pollen: a seed of its DRBG each time"
            : credit ? ""
                     : "unauthenticated: mixed in, credited 0"};
  }
  const Spec spec = parse(text);
  const Type& type = type_of(spec);
  check_options(spec, known_options(type));
  baud_of(spec);
  if (type.name == "rngnet") rngnet_options(spec);
  skip_of(spec);
  entropy::Claim claim = claim_of(type, spec);
  if (spec.type == "vmport" || spec.type == "vsock") claim = {8, vmport_settings(spec).credit};
  const auto origin = origin_of_source(text);
  const std::string why = origin && claim.credit && !claim.insist ? worthless(*origin) : "";
  if (!why.empty()) return {text, claim.h, false, why};
  return {text, claim.h, claim.credit, note_of(type, spec), claim.insist};
}

std::string absence_of_source(const std::string& text) {
  if (is_upstream(text)) return "";
  const std::string path = path_of(parse(text));
  if (path.empty() || ::access(path.c_str(), F_OK) == 0) return "";
  return with_errno(path, errno);
}

std::optional<Origin> origin_of_source(const std::string& text) {
  if (is_upstream(text)) return std::nullopt;
  const std::string path = path_of(parse(text));
  return path.empty() ? std::nullopt : origin_of(path);
}

std::unique_ptr<RunningSource> make_source(const std::string& text,
                                           const SourceServices& services) {
  if (is_upstream(text)) return make_upstream({text}, {}, services);
  const Spec spec = parse(text);
  const Type& type = type_of(spec);
  check_options(spec, known_options(type));
  if (type.run != nullptr) {
    return type.run(spec, claim_of(type, spec), services);
  }
  return std::make_unique<SampleRunner>(text, make_bare(type, spec), claim_of(type, spec),
                                        services);
}

std::unique_ptr<Source> make_probe(const std::string& text) {
  if (is_upstream(text)) return nullptr;
  const Spec spec = parse(text);
  const Type& type = type_of(spec);
  return type.make == nullptr ? nullptr : make_bare(type, spec);
}

std::vector<std::string> default_sources() {
  std::vector<std::string> found;
  if (::access("/dev/hwrng", F_OK) == 0) found.emplace_back("hwrng");
  if (has_rdseed()) found.emplace_back("rdseed");
  if (has_rdrand()) found.emplace_back("rdrand");
  found.emplace_back("jitter");
  found.emplace_back("kernel");
  return found;
}

std::vector<std::string> source_help() {
  std::vector<std::string> lines;
  for (const Type& type : types) {
    lines.push_back(fmt::format("{:<8}{}{}", type.name, type.summary,
                                type.credit ? fmt::format(" (h={})", type.h) : ""));
  }
  lines.emplace_back("https   another node, by URL; http likewise, credited 0; or a join string");
  return lines;
}

}  // namespace qanat::sources
