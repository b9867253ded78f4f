#include "base/library.h"

#include <dlfcn.h>
#include <fmt/core.h>

namespace qanat {

Libraries::Library Libraries::load(std::string_view name, int version) {
  Library library{.file = fmt::format("lib{}.so.{}", name, version)};
  library.handle = ::dlopen(library.file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library.handle == nullptr && there_) {
    there_ = error(
        fmt::format("{} cannot be loaded; install Debian's lib{}{}", library.file, name, version));
  }
  return library;
}

void* Libraries::find(const Library& library, const char* function) {
  if (library.handle == nullptr) return nullptr;
  void* const found = ::dlsym(library.handle, function);
  if (found == nullptr && there_) {
    there_ = error(fmt::format("{} has no {}: it is older than the one that qanat was built with",
                               library.file, function));
  }
  return found;
}

}  // namespace qanat
