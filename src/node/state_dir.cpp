#include "node/state_dir.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <cstdlib>

#include "base/log.h"
#include "crypto/aead.h"

namespace qanat::node {

namespace json = boost::json;

namespace {

constexpr unsigned private_file = 0600;

Result<void> make_directories(const std::string& path) {
  for (std::size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
    const std::string part = path.substr(0, at);
    if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) {
      return error(with_errno("cannot make the state directory " + part, errno));
    }
    if (at == std::string::npos) return {};
  }
}

void warn_unsaved(const char* what, const Result<void>& outcome) {
  if (!outcome) {
    log_warning("{} is not kept over a restart: {}", what, outcome.error().message);
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
  if (::geteuid() == 0) return "/var/lib/qanat";
  if (auto xdg = from_environment("XDG_STATE_HOME"); !xdg.empty()) return xdg + "/qanat";
  const std::string home = from_environment("HOME");
  return (home.empty() ? "/tmp" : home) + "/.local/state/qanat";
}

Result<void> StateDir::prepare() const { return make_directories(path_); }

Result<UniqueFd> StateDir::lock() const {
  const std::string path = file("lock");
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, private_file));
  if (!fd) return error(with_errno("cannot open " + path, errno));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      throw Failure(fmt::format(
          "another node runs with the state directory {}; stop it, or give --state DIR", path_));
    }
    return error(with_errno("cannot lock " + path, errno));
  }
  return fd;
}

std::string StateDir::node_id() const {
  if (auto stored = read_file(file("node-id"), 64)) {
    const auto id = from_hex(stored->substr(0, stored->find('\n')));
    if (id && id->size() == 8) return to_hex(*id);
  }
  std::array<std::uint8_t, 8> id;
  crypto::random_bytes(id);
  std::string text = to_hex(id);
  warn_unsaved("the node's id", replace_file(file("node-id"), as_bytes(text + "\n"), private_file));
  return text;
}

Identity StateDir::identity() const {
  auto key = read_secret_file(file("server.key"));
  auto certificate = read_file(file("server.crt"));
  if (key && certificate) {
    const auto pin = crypto::pin_of_certificate(*certificate);
    if (!pin) throw Failure(fmt::format("{}: {}", file("server.crt"), pin.error().message));
    return {std::move(*key), std::move(*certificate), *pin};
  }
  if (::access(file("server.key").c_str(), F_OK) == 0 && !key) {
    // Making a new one in its place would cut off every client.
    throw Failure(key.error().message);
  }
  crypto::KeyAndCertificate made = crypto::make_self_signed("qanat-" + node_id());
  Result<void> stored = replace_file(file("server.key"), made.key_pem.view(), private_file);
  if (stored) {
    stored = replace_file(file("server.crt"), as_bytes(made.certificate_pem), private_file);
  }
  warn_unsaved("the server key", stored);
  const auto pin = crypto::pin_of_certificate(made.certificate_pem);
  return {std::move(made.key_pem), std::move(made.certificate_pem), pin.value()};
}

Result<SecretBytes> StateDir::sealing_key() const {
  const std::string path = file("clients.key");
  if (::access(path.c_str(), F_OK) == 0) {
    auto key = read_secret_file(path);
    if (key && key->size() != crypto::aead_key_bytes) return error(path + " is damaged");
    return key;
  }
  SecretBytes key(crypto::aead_key_bytes);
  crypto::random_bytes(key.view());
  if (auto stored = replace_file(path, key.view(), private_file); !stored) {
    return tl::unexpected(stored.error());
  }
  return key;
}

Result<StoredClients> StateDir::load_clients() const {
  const std::string path = file("clients.json");
  if (::access(path.c_str(), F_OK) != 0) return StoredClients();
  const auto text = read_file(path, 64 << 20);
  if (!text) return tl::unexpected(text.error());
  const auto key = sealing_key();
  if (!key) return tl::unexpected(key.error());
  StoredClients stored;
  try {
    const json::value document = json::parse(*text);
    for (const json::value& item : document.at("clients").as_array()) {
      StoredClient client;
      client.name = item.at("name").as_string().c_str();
      const auto sealed = from_base64url(item.at("key").as_string().c_str());
      auto opened =
          sealed ? crypto::open(key->view(), *sealed, as_bytes(client.name)) : std::nullopt;
      if (!opened)
        return error(fmt::format("{}: the key of '{}' cannot be opened", path, client.name));
      client.key = std::move(*opened);
      client.terms = {item.at("rate").to_number<std::uint64_t>(),
                      item.at("burst").to_number<std::uint64_t>(),
                      item.at("weight").to_number<double>()};
      stored.clients.push_back(std::move(client));
    }
    for (const json::value& name : document.at("barred").as_array()) {
      stored.barred.emplace_back(name.as_string().c_str());
    }
  } catch (const std::exception& e) {
    return error(fmt::format("{} is damaged: {}", path, e.what()));
  }
  return stored;
}

Result<void> StateDir::store_clients(const StoredClients& stored) const {
  const auto key = sealing_key();
  if (!key) return tl::unexpected(key.error());
  json::array clients;
  for (const StoredClient& client : stored.clients) {
    clients.push_back(json::object{
        {"name", client.name},
        {"key", to_base64url(crypto::seal(key->view(), client.key.view(), as_bytes(client.name)))},
        {"rate", client.terms.rate},
        {"burst", client.terms.burst},
        {"weight", client.terms.weight}});
  }
  const json::object document{{"clients", std::move(clients)},
                              {"barred", json::array(stored.barred.begin(), stored.barred.end())}};
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
  const auto text = read_file(file("address"), 512);
  if (!text) return std::nullopt;
  return text->substr(0, text->find('\n'));
}

void StateDir::remember_address(const std::string& address) const {
  warn_unsaved("the node's address",
               replace_file(file("address"), as_bytes(address + "\n"), private_file));
}

}  // namespace qanat::node
