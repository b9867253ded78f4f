#include "node/state_dir.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "base/log.h"
#include "base/trusted_path.h"
#include "crypto/aead.h"
#include "machine/sandbox.h"
#include "spec/address.h"

namespace qanat::node {

namespace json = boost::json;

namespace {

constexpr unsigned private_file = 0600;

std::string home_directory() {
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 4096> buffer{};
  const int problem = ::getpwuid_r(::geteuid(), &entry, buffer.data(), buffer.size(), &found);
  return problem == 0 && found != nullptr && found->pw_dir != nullptr ? found->pw_dir : "";
}

// An Error where the disk does not take it now; throws Failure where there never can be one.
Result<void> make_directories(const std::string& path) {
  for (std::size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
    const std::string part = path.substr(0, at);
    int problem = ::mkdir(part.c_str(), 0700) == 0 ? 0 : errno;
    struct stat info {};
    if (problem == EEXIST && ::stat(part.c_str(), &info) == 0) {
      problem = S_ISDIR(info.st_mode) ? 0 : ENOTDIR;
    }
    if (problem == ENOTDIR) {
      throw Failure(part + " is not a directory, as the node's state needs one; give --state DIR");
    }
    if (problem != 0) {
      const std::string what = with_errno("cannot make the state directory " + part, problem);
      // What is above it is there, but takes nothing: /proc, or a link to nowhere.
      if (problem == ENOENT) throw Failure(what + "; give another --state DIR");
      return error(what);
    }
    if (at == std::string::npos) return {};
  }
}

void warn_unsaved(const char* what, const Result<void>& outcome) {
  if (!outcome) {
    log_warning("{} will be lost at the next restart: {}", what, outcome.error().message);
  }
}

}  // namespace

std::string StateDir::default_path() {
  const auto from_environment = [](const char* name) -> std::string {
    const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets any
    return value == nullptr ? "" : value;
  };
  if (auto given = from_environment("STATE_DIRECTORY"); !given.empty()) {
    return given.substr(0, given.find(':'));
  }
  if (::geteuid() == 0) return roots_path;
  // Relative ones are to be ignored (XDG Base Directory Specification).
  if (auto xdg = from_environment("XDG_STATE_HOME"); xdg.starts_with('/')) return xdg + "/qanat";
  std::string home = from_environment("HOME");
  if (!home.starts_with('/')) home = home_directory();
  if (!home.starts_with('/')) {
    throw Failure(
        fmt::format("{} has no home directory to keep the node's state in; give --state DIR",
                    account_name(::geteuid())));
  }
  return home + "/.local/state/qanat";
}

bool StateDir::has_key() const { return has("server.key"); }

bool StateDir::has(const char* name) const { return ::access(file(name).c_str(), F_OK) == 0; }

bool StateDir::exists() const { return ::access(path_.c_str(), F_OK) == 0 || errno != ENOENT; }

bool StateDir::is_a_nodes() const {
  std::error_code problem;
  return has("node-id") || !exists() || std::filesystem::is_empty(path_, problem);
}

std::vector<std::string> StateDir::names() const {
  std::vector<std::string> all{"node-id",      "server.key", "server.crt",  "clients.json",
                               "clients.key",  "address",    "trickle.key", "used-seeds",
                               "control.sock", "lock",       "cookies"};
  std::error_code problem;
  const std::filesystem::directory_iterator jars(file("cookies"), problem);
  if (problem) return all;
  for (const auto& jar : jars) all.push_back("cookies/" + jar.path().filename().string());
  return all;
}

Result<void> StateDir::check_owner() const {
  auto good = only_ours(path_, roots_path);
  // Volumes are made with all kinds of modes, which who runs in a container cannot change; and
  // where we are its first process, nobody else is in there.
  if (good || ::getpid() == 1) return {};
  return error(fmt::format("the state directory {} is not safe: {}; or give another --state DIR",
                           path_, good.error().message));
}

Result<void> StateDir::check_above(unsigned account) const {
  std::string above = directory_of(path_);
  struct stat info {};
  const bool hubs = above == roots_path && ::stat(above.c_str(), &info) == 0;
  if (hubs && info.st_uid == account) above = directory_of(above);
  return only_ours(above);
}

Result<void> StateDir::prepare() const {
  if (auto safe = check_owner(); !safe) throw Failure(safe.error().message);
  if (auto made = make_directories(path_); !made) return made;
  if (auto safe = check_owner(); !safe) throw Failure(safe.error().message);
  return {};
}

Result<StateLock> StateDir::lock() const {
  auto lock = StateLock::take(path_);
  if (lock) remove_temporaries(path_);
  return lock;
}

std::string StateDir::node_id() const {
  if (has("node-id")) {
    const auto stored = read_file(file("node-id"), 64);
    // No descriptor, say: the next start has the same id then, and a new one would hide a loop.
    if (!stored) throw Failure(stored.error().message);
    const auto id = from_hex(stored->substr(0, stored->find('\n')));
    if (id && id->size() == 8) return to_hex(*id);
    log_warning("{} is damaged: the node gets a new id", file("node-id"));
  }
  if (!drawn_id_.empty()) return drawn_id_;
  std::array<std::uint8_t, 8> id;
  crypto::random_bytes(id);
  drawn_id_ = to_hex(id);
  warn_unsaved("the node's id",
               replace_file(file("node-id"), as_bytes(drawn_id_ + "\n"), private_file));
  return drawn_id_;
}

Result<void> StateDir::look() const {
  // The start becomes its account. What that keeps there is not for root to read, by links say.
  struct stat owned {};
  const auto account = machine::find_account(machine::usual_account);
  if (::geteuid() == 0 && account && ::stat(path_.c_str(), &owned) == 0 &&
      owned.st_uid == account->user && S_ISDIR(owned.st_mode)) {
    if (auto safe = check_above(account->user); !safe) throw Failure(safe.error().message);
    return {};
  }
  if (auto safe = check_owner(); !safe) throw Failure(safe.error().message);
  if (!exists()) {
    // The nearest one above that is there, in which the others are made.
    std::string above = directory_of(path_);
    while (above.size() > 1 && ::access(above.c_str(), F_OK) != 0) above = directory_of(above);
    if (::access(above.c_str(), W_OK | X_OK) == 0) return {};
    return error(with_errno("the state directory " + path_ + " cannot be made in " + above, errno));
  }
  struct stat info {};
  if (::stat(path_.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
    throw Failure(path_ + " is not a directory, as the node's state needs one; give --state DIR");
  }
  if (::access(path_.c_str(), W_OK | X_OK) != 0) {
    return error(with_errno("the state directory " + path_ + " cannot be written", errno));
  }
  if (auto clients = load_clients(); !clients) throw Failure(clients.error().message);
  if (!has("server.key")) {
    refuse_new_key();
  } else if (has("server.crt")) {
    (void)stored_identity();
  }
  return {};
}

Identity StateDir::identity() const {
  if (has("server.key")) return stored_identity();
  refuse_new_key();
  return make_identity();
}

// Throws Failure where somebody knows the old one.
void StateDir::refuse_new_key() const {
  // Whoever was told of the old key would be cut off by a new one.
  const auto clients = load_clients();
  if (!clients) throw Failure(clients.error().message);
  const bool certified = has("server.crt");
  if (certified || !clients->clients.empty()) {
    throw Failure(fmt::format(
        "{} is missing, but {}: restore it from a backup; or, to begin anew with another key, "
        "remove {}, and give each client a new join string",
        file("server.key"),
        clients->clients.empty()
            ? file("server.crt") + " belongs to it"
            : fmt::format("the join strings of its clients ({}) name it", clients->clients.size()),
        clients->clients.empty() ? file("server.crt")
        : certified              ? file("server.crt") + " and " + file("clients.json")
                                 : file("clients.json")));
  }
}

Identity StateDir::stored_identity() const {
  auto key = read_secret_file(file("server.key"));
  if (!key) throw Failure(key.error().message);
  const auto pin = crypto::pin_of_key(key->view());
  if (!pin) {
    throw Failure(fmt::format(
        "{} is damaged ({}): restore it from a backup; or, to begin anew with another key, remove "
        "it, {} and {}, and give each client a new join string",
        file("server.key"), pin.error().message, file("server.crt"), file("clients.json")));
  }
  if (!has("server.crt")) {
    // Killed between the two, or removed: the key is what clients know.
    auto made = crypto::self_signed_for(key->view(), "qanat-" + node_id());
    if (!made) throw Failure(file("server.key") + ": " + made.error().message);
    warn_unsaved("the server's certificate",
                 replace_file(file("server.crt"), as_bytes(*made), private_file));
    return {std::move(*key), std::move(*made), *pin};
  }
  auto certificate = read_file(file("server.crt"));
  if (!certificate) throw Failure(certificate.error().message);
  const auto certified = crypto::pin_of_certificate(*certificate);
  if (!certified || *certified != *pin) {
    throw Failure(fmt::format(
        "{} {}: remove it, and the next start makes one that belongs to {}", file("server.crt"),
        certified ? "belongs to another key" : "is damaged", file("server.key")));
  }
  return {std::move(*key), std::move(*certificate), *pin};
}

Identity StateDir::make_identity() const {
  crypto::KeyAndCertificate made = crypto::make_self_signed("qanat-" + node_id());
  Result<void> stored = replace_file(file("server.key"), made.key_pem.view(), private_file);
  if (stored) {
    stored = replace_file(file("server.crt"), as_bytes(made.certificate_pem), private_file);
  }
  warn_unsaved("the server key", stored);
  const auto pin = crypto::pin_of_certificate(made.certificate_pem);
  return {std::move(made.key_pem), std::move(made.certificate_pem), pin.value()};
}

bool StateDir::agrees_with(const Identity& identity) const {
  if (!has("server.key")) return true;
  const auto key = read_secret_file(file("server.key"));
  const auto pin = key ? crypto::pin_of_key(key->view()) : error("");
  return pin && *pin == identity.pin;
}

bool StateDir::whole(bool with_identity, bool with_clients, bool with_address) const {
  return has("node-id") && (!with_address || has("address")) &&
         (!with_identity || (has("server.key") && has("server.crt"))) &&
         (!with_clients || (has("clients.json") && has("clients.key")));
}

Result<void> StateDir::restore(const std::string& node_id, const Identity* identity,
                               const std::string& address) const {
  Result<void> outcome;
  const auto write = [&](const char* name, Bytes content) {
    if (outcome && !has(name)) outcome = replace_file(file(name), content, private_file);
  };
  write("node-id", as_bytes(node_id + "\n"));
  if (identity != nullptr) {
    write("server.key", identity->key_pem.view());
    write("server.crt", as_bytes(identity->certificate_pem));
  }
  if (!address.empty()) write("address", as_bytes(address + "\n"));
  return outcome;
}

// Of "clients.key", which is there.
Result<SecretBytes> StateDir::stored_sealing_key() const {
  const std::string path = file("clients.key");
  auto key = read_secret_file(path);
  if (key && key->size() == crypto::aead_key_bytes) return key;
  return error(
      fmt::format("{}: restore it from a backup, or remove it and {}, and invite each client again",
                  key ? path + " is damaged" : key.error().message, file("clients.json")));
}

Result<SecretBytes> StateDir::sealing_key() const {
  if (has("clients.key")) return stored_sealing_key();
  SecretBytes key(crypto::aead_key_bytes);
  crypto::random_bytes(key.view());
  if (auto stored = replace_file(file("clients.key"), key.view(), private_file); !stored) {
    return tl::unexpected(stored.error());
  }
  return key;
}

namespace {

// Throws, for whoever names the file, where the document is not what store_clients wrote.
StoredClient client_from(const json::value& item, Bytes sealing_key) {
  StoredClient client;
  client.name = item.at("name").as_string().c_str();
  const auto sealed = from_base64url(item.at("key").as_string().c_str());
  auto opened = sealed ? crypto::open(sealing_key, *sealed, as_bytes(client.name)) : std::nullopt;
  if (!opened || opened->size() != share::shared_key_bytes) {
    throw Failure(fmt::format("the key of '{}' cannot be opened", client.name));
  }
  client.key = std::move(*opened);
  client.terms = {item.at("rate").to_number<std::uint64_t>(),
                  item.at("burst").to_number<std::uint64_t>(),
                  item.at("weight").to_number<double>()};
  // Older versions knew none.
  if (const auto* const observer = item.as_object().if_contains("observer")) {
    client.observer = observer->as_bool();
  }
  if (auto possible = share::check(client.terms); !possible) {
    throw Failure(fmt::format("'{}': {}", client.name, possible.error().message));
  }
  return client;
}

share::Bar bar_from(const json::value& item) {
  // A name alone: as an older version wrote those of certificates.
  if (item.is_string()) return {item.as_string().c_str(), false};
  return {item.at("name").as_string().c_str(), item.at("had_key").as_bool()};
}

StoredClients clients_from(const json::value& document, Bytes sealing_key) {
  StoredClients stored;
  for (const json::value& item : document.at("clients").as_array()) {
    stored.clients.push_back(client_from(item, sealing_key));
  }
  for (const json::value& item : document.at("barred").as_array()) {
    stored.bars.push_back(bar_from(item));
  }
  return stored;
}

}  // namespace

Result<StoredClients> StateDir::load_clients() const {
  const std::string path = file("clients.json");
  if (!has("clients.json")) return StoredClients();
  const auto text = read_file(path, 64 << 20);
  if (!text) return tl::unexpected(text.error());
  std::string why;
  try {
    const json::value document = json::parse(*text);
    SecretBytes key(crypto::aead_key_bytes);
    if (!document.at("clients").as_array().empty()) {
      if (!has("clients.key")) {
        return error(fmt::format(
            "{} is missing, and with it the keys of all clients: restore it from a backup, or "
            "remove {}, and invite each client again",
            file("clients.key"), path));
      }
      auto stored = stored_sealing_key();
      if (!stored) return tl::unexpected(stored.error());
      key = std::move(*stored);
    }
    return clients_from(document, key.view());
  } catch (const Failure& problem) {
    why = problem.what();
  } catch (const std::exception&) {
    // What Boost says names places in its own source.
    why = "it is not what qanat wrote";
  }
  return error(fmt::format(
      "{} is damaged ({}): restore it from a backup, or remove it, and invite each client again",
      path, why));
}

Result<void> StateDir::store_clients(const StoredClients& stored) const {
  const auto key = sealing_key();
  if (!key) return tl::unexpected(key.error());
  json::array clients;
  for (const StoredClient& client : stored.clients) {
    json::object item{
        {"name", client.name},
        {"key", to_base64url(crypto::seal(key->view(), client.key.view(), as_bytes(client.name)))},
        {"rate", client.terms.rate},
        {"burst", client.terms.burst},
        {"weight", client.terms.weight}};
    if (client.observer) item["observer"] = true;
    clients.push_back(std::move(item));
  }
  json::array barred;
  for (const share::Bar& bar : stored.bars) {
    barred.push_back(json::object{{"name", bar.name}, {"had_key", bar.had_key}});
  }
  const json::object document{{"clients", std::move(clients)}, {"barred", std::move(barred)}};
  return replace_file(file("clients.json"), as_bytes(json::serialize(document) + "\n"),
                      private_file);
}

Result<SecretBytes> StateDir::cookie_keys() const {
  const std::string path = file("trickle.key");
  if (::access(path.c_str(), F_OK) != 0) return SecretBytes();
  return read_secret_file(path);
}

Result<void> StateDir::store_cookie_keys(Bytes text) const {
  return replace_file(file("trickle.key"), text, private_file);
}

Result<std::string> StateDir::cookie_directory() const {
  const std::string path = file("cookies");
  if (auto made = make_directories(path); !made) return tl::unexpected(made.error());
  return path;
}

std::optional<std::string> StateDir::address() const {
  if (!has("address")) return std::nullopt;
  const auto text = read_file(file("address"), 512);
  const auto parsed =
      text ? spec::parse_address(text->substr(0, text->find('\n'))) : error(text.error().message);
  if (parsed) return parsed->text();
  log_warning("{} is damaged, and not used; give --address HOST:PORT", file("address"));
  return std::nullopt;
}

void StateDir::remember_address(const std::string& address) const {
  warn_unsaved("the node's address",
               replace_file(file("address"), as_bytes(address + "\n"), private_file));
}

}  // namespace qanat::node
