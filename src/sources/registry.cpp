#include "sources/registry.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/suggest.h"
#include "sources/device/device_models.h"
#include "sources/runner/sample_runner.h"
#include "sources/upstream/kept_join_strings.h"
#include "sources/upstream/names.h"
#include "spec/options.h"
#include "spec/type_table.h"
#include "wire/join_string.h"

namespace qanat::sources {

// One line a type, in the order of --help; NAME.cpp defines NAME_type.
#define QANAT_SOURCE_TYPES(TYPE) \
  TYPE(hwrng)                    \
  TYPE(rdseed)                   \
  TYPE(rdrand)                   \
  TYPE(rndr)                     \
  TYPE(darn)                     \
  TYPE(jitter)                   \
  TYPE(timer)                    \
  TYPE(interrupts)               \
  TYPE(audio)                    \
  TYPE(video)                    \
  TYPE(tpm)                      \
  TYPE(pkcs11)                   \
  TYPE(kernel)                   \
  TYPE(device)                   \
  TYPE(entropykey)               \
  TYPE(file)                     \
  TYPE(exec)                     \
  TYPE(egd)                      \
  TYPE(rngnet)                   \
  TYPE(netrng)                   \
  TYPE(broker)                   \
  TYPE(vmport)                   \
  TYPE(vsock)                    \
  TYPE(xenstore)                 \
  TYPE(raw)

#define DECLARE(NAME) extern const SourceType NAME##_type;
QANAT_SOURCE_TYPES(DECLARE)
#undef DECLARE

namespace {

#define ADDRESS(NAME) &NAME##_type,
constexpr std::array types{QANAT_SOURCE_TYPES(ADDRESS)};
#undef ADDRESS

Availability availability(const SourceType& type) {
  if (type.available != nullptr) return type.available();
  const bool may = type.target.empty() || type.target.starts_with('[');
  return {true, may ? "on every machine" : "whatever it names"};
}

// What is wrong with a claim to what the kernel's generator gives.
std::string doubted(const entropy::Claim& claim) {
  return claim.credit && claim.vouched ? "; credited all the same, as credit= says: what this node "
                                         "feeds to the kernel is counted twice"
                                       : "";
}

// A model's name says how a device is read, not which device.
[[noreturn]] void refuse_type(const spec::Spec& spec) {
  if (const DeviceModel* const model = find_model(spec.type)) {
    const std::string path = spec.target.empty() ? "PATH" : spec.target;
    throw Failure(fmt::format("{} is a model: write {}", model->name, source_line(*model, path)));
  }
  std::vector<std::string_view> known;
  for (const SourceType* type : types) known.push_back(type->name);
  known.insert(known.end(), {"https", "http"});
  std::vector<std::string_view> models = known;
  for (const DeviceModel& model : device_models()) models.push_back(model.name);
  if (const DeviceModel* const model = find_model(nearest_word(spec.type, models))) {
    throw Failure(fmt::format("unknown source '{}'; did you mean '{}'?", spec.type,
                              source_line(*model, "PATH")));
  }
  spec::refuse_type("source", spec.type, known, " and join strings");
}

void check_target(const SourceType& type, const spec::Spec& spec) {
  const bool may = type.target.starts_with('[');
  if (!type.target.empty() && !may && spec.target.empty()) {
    throw Failure(
        fmt::format("'{}' does not say which; write {}:{}", spec.text, type.name, type.target));
  }
  if (type.target.empty() && !spec.target.empty()) {
    throw Failure(fmt::format("{}: '{}' takes nothing after a ':'", spec.text, type.name));
  }
}

struct TypedSpec {
  const SourceType* type;
  spec::Spec spec;
};
// Of what is no upstream. Throws Failure for a name without a type that is known, or a target that
// this type does not take.
TypedSpec require_type(const std::string& text) {
  spec::Spec spec = spec::require_spec(text);
  const SourceType* const type = spec::find_type(types, spec.type);
  if (type == nullptr) {
    refuse_type(spec);
  }
  if (type->as_url != nullptr) spec = type->as_url(std::move(spec));
  check_target(*type, spec);
  return {type, std::move(spec)};
}

}  // namespace

SourcePlan plan_source(const std::string& text) {
  // A command's words are its own.
  if (!text.starts_with("exec:") && !wire::looks_like_join_string(text)) {
    wire::refuse_part_of_key(text);
  }
  if (is_upstream(text)) return plan_upstream(text);
  if (!text.starts_with("exec:") && holds_kept(text)) throw Failure(why_not_alone(text));
  const auto [type, spec] = require_type(text);
  spec::check_options(spec, {"h credit", type->options});
  return type->read(spec, type->usual);
}

std::unique_ptr<RunningSource> make_source(const std::string& text,
                                           const SourceServices& services) {
  const SourcePlan plan = plan_source(text);
  if (plan.run) return plan.run(services);
  return std::make_unique<SampleRunner>(plan.name, plan.make(), plan.claim, services);
}

SourceDescription describe_source(const std::string& text) {
  const SourcePlan plan = plan_source(text);
  const std::string why = plan.path.empty() ? plan.lookalike : worthless_path(plan.path);
  if (!why.empty()) {
    const bool credit = plan.claim.credit && plan.claim.vouched;
    const std::string note = plan.lookalike.empty() ? why + doubted(plan.claim) : plan.note;
    return {plan.name, plan.claim.h, credit, note, plan.claim.insist};
  }
  return {plan.name, plan.claim.h, plan.claim.credit, plan.note, plan.claim.insist};
}

std::string absence_of_source(const std::string& text) {
  if (const std::string path = plan_source(text).path; !path.empty()) {
    return ::access(path.c_str(), F_OK) == 0 ? "" : with_errno(path, errno);
  }
  // Where the name says no more than its type, so does what it needs: an instruction, xenstored.
  if (is_upstream(text)) return "";
  const auto [type, spec] = require_type(text);
  if (!spec.target.empty()) return "";
  const Availability found = availability(*type);
  return found.here ? "" : found.why;
}

spec::Obstacles obstacles_of_source(const std::string& text) {
  spec::Obstacles found;
  const SourcePlan plan = plan_source(text);
  struct stat info {};
  if (!plan.path.empty() && ::stat(plan.path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
    found.push_back({fmt::format("{}: {} is a directory", plan.name, plan.path)});
  }
  if (plan.look) plan.look(found);
  if (const std::string absence = absence_of_source(text); !absence.empty()) {
    found.push_back({absence, "", spec::Obstacle::Kind::absent});
  }
  return found;
}

std::optional<Origin> origin_of_source(const std::string& text) {
  const std::string path = plan_source(text).path;
  return path.empty() ? std::nullopt : origin_of(path);
}

std::unique_ptr<Source> make_probe(const std::string& text) {
  const SourcePlan plan = plan_source(text);
  return plan.make ? plan.make() : nullptr;
}

bool is_host_seed(const std::string& text) {
  const auto spec = spec::parse_spec(text);
  const SourceType* const type = spec ? spec::find_type(types, spec->type) : nullptr;
  return type != nullptr && type->host_seed;
}

std::vector<std::string> default_sources() {
  std::vector<std::string> found;
  for (const SourceType* type : types) {
    if (type->by_default && availability(*type).here) found.emplace_back(type->name);
  }
  return found;
}

std::vector<TypeDescription> describe_types() {
  std::vector<TypeDescription> all;
  for (const SourceType* type : types) {
    all.push_back({std::string(type->name), std::string(type->target), std::string(type->summary),
                   type->usual.h, type->usual.credit, availability(*type)});
  }
  return all;
}

std::vector<std::string> source_help() {
  std::vector<std::string> lines;
  for (const SourceType* type : types) {
    lines.push_back(fmt::format("{}  {}{}", type->name, type->summary,
                                type->usual.credit ? fmt::format(" (h={})", type->usual.h) : ""));
  }
  lines.emplace_back("https  another node, by URL; http likewise, credited 0; or a join string");
  return lines;
}

}  // namespace qanat::sources
