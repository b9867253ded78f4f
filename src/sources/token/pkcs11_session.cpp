#include "sources/token/pkcs11.h"

#if !defined(QANAT_PKCS11)

namespace qanat::sources {

Result<void> p11_kit_there() {
  return error("this qanat was built without p11-kit (package libp11-kit-dev)");
}
void check_pkcs11_uri(const std::string& /*uri*/) {}
std::unique_ptr<LibrarySession> make_pkcs11_session(std::shared_ptr<Pkcs11Token> /*token*/) {
  throw Failure(p11_kit_there().error().message);
}

}  // namespace qanat::sources

#else

#include <fmt/core.h>
#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/library.h"
#include "base/shown.h"

namespace qanat::sources {
namespace {

struct P11Kit : Libraries {
  const Library library = load("p11-kit", 0);
  QANAT_FUNCTION(library, p11_kit_message);
  QANAT_FUNCTION(library, p11_kit_module_finalize);
  QANAT_FUNCTION(library, p11_kit_module_get_filename);
  QANAT_FUNCTION(library, p11_kit_module_get_name);
  QANAT_FUNCTION(library, p11_kit_module_initialize);
  QANAT_FUNCTION(library, p11_kit_module_load);
  QANAT_FUNCTION(library, p11_kit_module_release);
  QANAT_FUNCTION(library, p11_kit_modules_load);
  QANAT_FUNCTION(library, p11_kit_strerror);
  QANAT_FUNCTION(library, p11_kit_uri_any_unrecognized);
  QANAT_FUNCTION(library, p11_kit_uri_free);
  QANAT_FUNCTION(library, p11_kit_uri_get_attributes);
  QANAT_FUNCTION(library, p11_kit_uri_get_slot_id);
  QANAT_FUNCTION(library, p11_kit_uri_match_module_info);
  QANAT_FUNCTION(library, p11_kit_uri_match_slot_info);
  QANAT_FUNCTION(library, p11_kit_uri_match_token_info);
  QANAT_FUNCTION(library, p11_kit_uri_message);
  QANAT_FUNCTION(library, p11_kit_uri_new);
  QANAT_FUNCTION(library, p11_kit_uri_parse);
};
const P11Kit& p11_kit() {
  static const P11Kit loaded;
  return loaded;
}

struct FreeUri {
  void operator()(P11KitUri* uri) const { p11_kit().p11_kit_uri_free(uri); }
};
using Uri = std::unique_ptr<P11KitUri, FreeUri>;

// Throws Failure for what is no URI of a token.
Uri parse_uri(const std::string& text) {
  Uri uri(p11_kit().p11_kit_uri_new());
  const int problem = p11_kit().p11_kit_uri_parse(text.c_str(), P11_KIT_URI_FOR_ANY, uri.get());
  if (problem != P11_KIT_URI_OK) {
    throw Failure(fmt::format("{} is not a PKCS#11 URI: {}; write it like pkcs11:token=NAME", text,
                              p11_kit().p11_kit_uri_message(problem)));
  }
  CK_ULONG attributes = 0;
  p11_kit().p11_kit_uri_get_attributes(uri.get(), &attributes);
  if (attributes != 0 || p11_kit().p11_kit_uri_any_unrecognized(uri.get()) != 0) {
    throw Failure(fmt::format(
        "{} names something that no token has; known are token, serial, manufacturer, model, "
        "slot-id, slot-description, slot-manufacturer, library-description, library-manufacturer, "
        "library-version",
        text));
  }
  return uri;
}

// Fields of PKCS#11 are filled up with blanks.
template <std::size_t N>
std::string padded(const CK_UTF8CHAR (&field)[N]) {
  std::string_view text(reinterpret_cast<const char*>(field), N);
  const auto last = text.find_last_not_of(" \0");
  return shown(text.substr(0, last == std::string_view::npos ? 0 : last + 1));
}

struct FreeText {
  void operator()(char* text) const { std::free(text); }
};

// A module of somebody else's in this process. p11-kit initialises each once, for all sources that
// use it, and ends it after the last.
class Module {
 public:
  // Takes a reference over.
  explicit Module(CK_FUNCTION_LIST* functions) : functions_(functions) {}
  Module(Module&& other) noexcept
      : functions_(std::exchange(other.functions_, nullptr)),
        initialised_(std::exchange(other.initialised_, false)) {}
  Module& operator=(Module&&) = delete;
  ~Module() {
    if (initialised_) p11_kit().p11_kit_module_finalize(functions_);
    if (functions_ != nullptr) p11_kit().p11_kit_module_release(functions_);
  }

  CK_RV initialise() {
    const CK_RV answer = p11_kit().p11_kit_module_initialize(functions_);
    initialised_ = answer == CKR_OK;
    return answer;
  }
  std::string name() const {
    const std::unique_ptr<char, FreeText> file(p11_kit().p11_kit_module_get_filename(functions_));
    return file ? shown(file.get()) : "a module";
  }
  bool is_called(const std::string& name) const {
    const std::unique_ptr<char, FreeText> known(p11_kit().p11_kit_module_get_name(functions_));
    return known && name == known.get();
  }
  CK_FUNCTION_LIST* operator->() const { return functions_; }

 private:
  CK_FUNCTION_LIST* functions_;
  bool initialised_ = false;
};

struct FoundToken {
  std::size_t module = 0;
  CK_SLOT_ID slot = 0;
  CK_TOKEN_INFO info{};

  bool initialised() const { return (info.flags & CKF_TOKEN_INITIALIZED) != 0; }
  bool has_generator() const { return (info.flags & CKF_RNG) != 0; }
  std::string name() const {
    const std::string label = padded(info.label);
    if (!initialised()) return fmt::format("an uninitialised one in slot {}", slot);
    return fmt::format("'{}' (serial {})", label, padded(info.serialNumber));
  }
};

std::string names_of(const std::vector<FoundToken>& tokens) {
  std::string names;
  for (const FoundToken& token : tokens) names += (names.empty() ? "" : ", ") + token.name();
  return names;
}

// The session is lost, and a new one may do: the token was pulled out, logged out, reset.
bool is_lost(CK_RV answer) {
  switch (answer) {
    case CKR_SESSION_HANDLE_INVALID:
    case CKR_SESSION_CLOSED:
    case CKR_DEVICE_REMOVED:
    case CKR_DEVICE_ERROR:
    case CKR_TOKEN_NOT_PRESENT:
    case CKR_USER_NOT_LOGGED_IN:
    case CKR_CRYPTOKI_NOT_INITIALIZED:
      return true;
    default:
      return false;
  }
}

class Pkcs11Session final : public LibrarySession {
 public:
  explicit Pkcs11Session(std::shared_ptr<Pkcs11Token> token)
      : token_(std::move(token)), uri_(parse_uri(token_->uri)) {}
  Pkcs11Session(const Pkcs11Session&) = delete;
  Pkcs11Session& operator=(const Pkcs11Session&) = delete;
  ~Pkcs11Session() override { close(); }

  Result<void> open() override {
    if (auto loaded = load(); !loaded) return loaded;
    const auto found = find();
    if (!found) return tl::unexpected(found.error());
    name_ = found->name();
    CK_FUNCTION_LIST* const module = modules_[found->module].operator->();
    const CK_RV answer =
        module->C_OpenSession(found->slot, CKF_SERIAL_SESSION, nullptr, nullptr, &session_);
    if (answer == CKR_TOKEN_NOT_RECOGNIZED && !found->initialised()) {
      return error(
          fmt::format("the token in slot {} is not initialised; 'pkcs11-tool --module {} "
                      "--init-token' does that",
                      found->slot, modules_[found->module].name()));
    }
    if (answer != CKR_OK) return refusal("cannot be opened", answer);
    module_ = module;
    return log_in(found->info.flags);
  }

  Result<std::size_t> read(MutableBytes out) override {
    CK_RV answer = module_->C_GenerateRandom(session_, out.data(), out.size());
    if (is_lost(answer)) {
      close();
      if (auto opened = open(); !opened) return tl::unexpected(opened.error());
      answer = module_->C_GenerateRandom(session_, out.data(), out.size());
    }
    if (answer == CKR_OK) return out.size();
    if (answer == CKR_RANDOM_NO_RNG || answer == CKR_FUNCTION_NOT_SUPPORTED) {
      return error(fmt::format("the token {} has no generator", name_));
    }
    if (answer == CKR_USER_NOT_LOGGED_IN) {
      return error(fmt::format(
          "the token {} gives nothing without a login: pin-source=file:PATH names its PIN", name_));
    }
    return refusal("gave nothing", answer);
  }

 private:
  tl::unexpected<Error> refusal(std::string_view what, CK_RV answer) const {
    return error(
        fmt::format("the token {} {}: {}", name_, what, p11_kit().p11_kit_strerror(answer)));
  }

  void close() {
    if (module_ != nullptr) module_->C_CloseSession(session_);
    module_ = nullptr;
    modules_.clear();
  }

  Result<void> load() {
    if (!token_->module_path.empty()) {
      CK_FUNCTION_LIST* const module =
          p11_kit().p11_kit_module_load(token_->module_path.c_str(), 0);
      if (module == nullptr) {
        const char* const why = p11_kit().p11_kit_message();
        return error(fmt::format("cannot load {}: {}", token_->module_path,
                                 why == nullptr ? "it is no PKCS#11 module" : why));
      }
      modules_.emplace_back(module);
      if (const CK_RV answer = modules_[0].initialise(); answer != CKR_OK) {
        return error(fmt::format(
            "{} does not start: {}; is its own configuration there (of SoftHSM: SOFTHSM2_CONF)?",
            token_->module_path, p11_kit().p11_kit_strerror(answer)));
      }
      return {};
    }
    CK_FUNCTION_LIST** const all = p11_kit().p11_kit_modules_load(nullptr, 0);
    for (CK_FUNCTION_LIST** each = all; each != nullptr && *each != nullptr; ++each) {
      Module module(*each);
      const bool named = token_->module_name.empty() || module.is_called(token_->module_name);
      if (named && module.initialise() == CKR_OK) modules_.push_back(std::move(module));
    }
    std::free(all);
    if (modules_.empty()) {
      return error(
          token_->module_name.empty()
              ? std::string("p11-kit knows no module that starts; name one with module-path=PATH")
              : fmt::format(
                    "p11-kit knows no module '{}' that starts; 'p11-kit list-modules' shows "
                    "those that it knows",
                    token_->module_name));
    }
    return {};
  }

  bool matches(const Module& module, CK_SLOT_ID slot, const CK_TOKEN_INFO& token) const {
    CK_INFO library{};
    CK_SLOT_INFO place{};
    const CK_SLOT_ID wanted = p11_kit().p11_kit_uri_get_slot_id(uri_.get());
    return module->C_GetInfo(&library) == CKR_OK &&
           p11_kit().p11_kit_uri_match_module_info(uri_.get(), &library) == 1 &&
           module->C_GetSlotInfo(slot, &place) == CKR_OK &&
           p11_kit().p11_kit_uri_match_slot_info(uri_.get(), &place) == 1 &&
           (wanted == slot || wanted == static_cast<CK_SLOT_ID>(-1)) &&
           p11_kit().p11_kit_uri_match_token_info(uri_.get(), &token) == 1;
  }

  // The one token that is meant.
  Result<FoundToken> find() {
    std::vector<FoundToken> all;
    std::vector<FoundToken> meant;
    for (std::size_t i = 0; i < modules_.size(); ++i) {
      for (const CK_SLOT_ID slot : slots_of(modules_[i])) {
        FoundToken token{.module = i, .slot = slot};
        if (modules_[i]->C_GetTokenInfo(slot, &token.info) != CKR_OK) continue;
        all.push_back(token);
        if (matches(modules_[i], slot, token.info)) meant.push_back(token);
      }
    }
    if (meant.size() > 1) {
      std::erase_if(meant, [](const FoundToken& token) {
        return !token.initialised() || !token.has_generator();
      });
    }
    if (meant.size() == 1) return meant[0];
    if (meant.size() > 1) {
      return error(fmt::format("{} is more than one token: {}; say which with token= or serial=",
                               token_->uri, names_of(meant)));
    }
    return error(fmt::format("there is no token {}; {}", token_->uri,
                             all.empty() ? "the module has none" : "there is " + names_of(all)));
  }

  static std::vector<CK_SLOT_ID> slots_of(const Module& module) {
    CK_ULONG count = 0;
    if (module->C_GetSlotList(CK_TRUE, nullptr, &count) != CKR_OK) return {};
    std::vector<CK_SLOT_ID> slots(count);
    if (module->C_GetSlotList(CK_TRUE, slots.data(), &count) != CKR_OK) return {};
    slots.resize(std::min<std::size_t>(slots.size(), count));
    return slots;
  }

  Result<SecretBytes> pin() const {
    if (token_->pin_file.empty()) return SecretBytes(token_->pin.view());
    return read_pin_file(token_->pin_file);
  }

  // Only where there is a PIN, and never twice with one that was refused.
  Result<void> log_in(CK_FLAGS flags) {
    if (token_->pin_file.empty() && token_->pin.empty()) return {};
    auto secret = pin();
    if (!secret) return tl::unexpected(secret.error());
    if (secret->empty()) return error(token_->pin_file + " is empty: a PIN is expected there");
    if (!token_->refused.empty() && equal_constant_time(token_->refused.view(), secret->view())) {
      return fault(
          fmt::format("the token {} has refused the PIN, which is not sent again: a token "
                      "locks itself after a few; correct it",
                      name_));
    }
    if ((flags & CKF_USER_PIN_LOCKED) != 0) {
      return fault(fmt::format("the PIN of the token {} is locked", name_));
    }
    if ((flags & CKF_USER_PIN_FINAL_TRY) != 0) {
      return fault(
          fmt::format("the token {} allows one more try of a PIN, which is left to a "
                      "person: log in by hand, and it is used again",
                      name_));
    }
    const CK_RV answer =
        module_->C_Login(session_, CKU_USER, secret->view().data(), secret->size());
    if (answer == CKR_OK || answer == CKR_USER_ALREADY_LOGGED_IN) return {};
    if (is_lost(answer)) return refusal("cannot be logged in to", answer);
    token_->refused = std::move(*secret);
    return fault(fmt::format("the token {} refuses the PIN: {}; it is not sent again", name_,
                             p11_kit().p11_kit_strerror(answer)));
  }

  const std::shared_ptr<Pkcs11Token> token_;
  const Uri uri_;
  std::string name_;
  std::vector<Module> modules_;
  CK_FUNCTION_LIST* module_ = nullptr;  // of the session that is open
  CK_SESSION_HANDLE session_ = 0;
};

}  // namespace

Result<void> p11_kit_there() { return p11_kit().there(); }
void check_pkcs11_uri(const std::string& uri) { parse_uri(uri); }
std::unique_ptr<LibrarySession> make_pkcs11_session(std::shared_ptr<Pkcs11Token> token) {
  return std::make_unique<Pkcs11Session>(std::move(token));
}

}  // namespace qanat::sources

#endif
