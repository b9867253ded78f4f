// Libraries that are loaded when something of theirs is wanted for the first time. Linked, they and
// those beneath them would be loaded at each start of the program, by those who have no use for
// them, too: a guest's first boot, a `feed` of 25 ms.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace qanat {

// What names the functions that are used of one library or several:
//
//   struct Alsa : Libraries {
//     const Library asound = load("asound", 2);
//     QANAT_FUNCTION(asound, snd_pcm_open);
//   };
//   const Alsa& alsa() {
//     static const Alsa loaded;
//     return loaded;
//   }
//
// Then `alsa().there()` is to be asked, and alsa().snd_pcm_open(...) called. Any thread.
class Libraries {
 public:
  // An Error that says which file is missing, and who brings it: then nothing may be called.
  const Result<void>& there() const { return there_; }

 protected:
  struct Library {
    std::string file;
    void* handle = nullptr;
  };
  // libNAME.so.VERSION, which Debian has in the package libNAMEVERSION. The version is of the
  // binary interface, and so that of the headers. It stays loaded: what is beneath it may have
  // threads and handlers of its own.
  Library load(std::string_view name, int version);
  void* find(const Library& library, const char* function);

 private:
  Result<void> there_;
};

// A member that points to the function of that name, of the type that its header declares.
// NOLINTBEGIN(bugprone-macro-parentheses): a member's name takes none
#define QANAT_FUNCTION(LIBRARY, NAME) \
  const decltype(&::NAME) NAME = reinterpret_cast<decltype(&::NAME)>(find(LIBRARY, #NAME))
// NOLINTEND(bugprone-macro-parentheses)

}  // namespace qanat
