#include "outlets/file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/files.h"
#include "base/log.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "outlets/type.h"
#include "serve/options.h"
#include "spec/options.h"

namespace qanat::outlets {
namespace {

constexpr unsigned seed_mode = 0600;
constexpr std::size_t seed_limit = 4096;

// Whether a seed of before is there. Throws Failure for what is no file.
bool has_old_seed(const std::string& name, const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return false;
  if (S_ISREG(info.st_mode)) return true;
  throw Failure(fmt::format("{}: {} is {}; name a file", name, path,
                            S_ISDIR(info.st_mode) ? "a directory" : "not a regular file"));
}

// It is replaced in one step, so its directory is what must be written; and there, as it is made by
// nobody.
void look_at_seed(const std::string& name, const std::string& path, spec::Obstacles& found) {
  attempt_into(found, "", [&] { (void)has_old_seed(name, path); });
  // Directories that are not there are made.
  std::string directory = directory_of(path);
  while (::access(directory.c_str(), F_OK) != 0 && directory != "/" && directory != ".") {
    directory = directory_of(directory);
  }
  if (::access(directory.c_str(), W_OK | X_OK) == 0) return;
  found.push_back(
      {fmt::format("{}: nothing can be written in {}", name, with_errno(directory, errno)), "",
       spec::Obstacle::Kind::absent});
}

}  // namespace

SeedFile::SeedFile(std::string name, std::string path, serve::Schedule schedule,
                   const serve::OutletServices& services)
    : serve::ScheduledOutlet(std::move(name), schedule, services), path_(std::move(path)) {}

void SeedFile::prepare() {
  // Of a process that was killed while it wrote: seeds that nobody would ever read.
  remove_temporaries(directory_of(path_), name_of(path_));
  if (!has_old_seed(name(), path_)) return;
  const auto old = read_secret_file(path_, seed_limit);
  if (!old) {
    log_warning("{}: the seed is not used: {}", name(), old.error().message);
    return;
  }
  // The next one depends on this one and on what the kernel knows by now.
  WipedArray<64> fresh;
  crypto::random_bytes(fresh.view());
  WipedArray<64> next;
  crypto::hmac_sha512(old->view(), {as_bytes("next seed"), fresh.view()},
                      std::span<std::uint8_t, 64>(next.data(), 64));
  if (auto replaced = replace_file(path_, next.view(), seed_mode); !replaced) {
    log_warning("{}: the seed is not used, as it cannot be replaced: {}", name(),
                replaced.error().message);
    return;
  }
  const UniqueFd random(::open("/dev/urandom", O_WRONLY | O_CLOEXEC));
  const auto size = static_cast<ssize_t>(old->size());
  if (!random || ::write(random.get(), old->view().data(), old->size()) != size) {
    log_warning("{}: the seed was replaced, but /dev/urandom did not take it", name());
  }
}

Result<void> SeedFile::deliver(Bytes random, const Waker& /*stop*/) {
  return replace_file(path_, random, seed_mode);
}

namespace {

OutletPlan read_file(const spec::Spec& spec, const OutletDefaults& defaults) {
  const std::string path = spec::require_target(spec);
  const serve::Schedule schedule = serve::schedule_of(spec, defaults.schedule);
  return {.place = path,
          .path = path,
          .replaces_file = true,
          .note = text_of(schedule),
          .limits = defaults.limits,
          .make =
              [name = spec.text, path, schedule](const Services& services) {
                return std::make_unique<SeedFile>(name, path, schedule, services.common);
              },
          .look = [name = spec.text,
                   path](spec::Obstacles& found) { look_at_seed(name, path, found); }};
}

}  // namespace

extern const OutletType file_type{
    .name = "file",
    .options = "every bytes grade",
    .summary = "a boot seed",
    .read = read_file,
};

}  // namespace qanat::outlets
