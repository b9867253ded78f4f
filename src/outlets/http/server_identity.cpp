#include "outlets/http/server_identity.h"

#include <fmt/chrono.h>
#include <fmt/core.h>

#include <ctime>

#include "base/files.h"

namespace qanat::outlets {

namespace {

std::string date(std::int64_t seconds) {
  const std::time_t time = seconds;
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  return fmt::format("{:%Y-%m-%d %H:%M} UTC", parts);
}

constexpr std::size_t most_certificate_bytes = 1 << 20;
constexpr std::size_t most_key_bytes = 1 << 16;

// An I/O thread reads them while the node runs, and another account may renew them.
std::string read(const std::string& path) {
  auto content = read_file(path, most_certificate_bytes, FileKind::regular);
  if (!content) throw Failure(content.error().message);
  return std::move(*content);
}

Result<SecretBytes> read_key(const std::string& path) {
  return read_secret_file(path, most_key_bytes, FileKind::regular);
}

// Of the files of `settings`; of `identity` what they do not say. A missing certificate is answered
// 401 with a reason rather than by a TLS alert.
crypto::SslCtxPtr context_of(const HttpSettings& settings, net::ServerTls identity) {
  SecretBytes own_key;
  if (settings.certificate_file) {
    identity.certificate_pem = read(*settings.certificate_file);
    auto key = read_key(settings.key_file.value_or(*settings.certificate_file));
    if (!key) throw Failure(key.error().message);
    own_key = std::move(*key);
    identity.key_pem = own_key.view();
  }
  if (settings.ca_file) identity.client_ca = {*settings.ca_file, read(*settings.ca_file)};
  return net::make_server_context(identity);
}

}  // namespace

ServerIdentity::ServerIdentity(const HttpSettings& settings, const Services& services)
    : settings_(settings), services_(services) {
  for (const auto& file : {settings.certificate_file, settings.key_file, settings.ca_file}) {
    if (file) files_.push_back(*file);
  }
}

ServerIdentity::Stamps ServerIdentity::stamps() const {
  Stamps stamps;
  for (const std::string& file : files_) stamps.push_back(file_stamp(file));
  return stamps;
}

crypto::SslCtxPtr ServerIdentity::make() {
  net::ServerTls identity = services_.http.identity();
  identity.exchanges = &exchanges_;
  return context_of(settings_, std::move(identity));
}

void ServerIdentity::look(const HttpSettings& settings, spec::Obstacles& found) {
  const auto tell = [&](const char* option, const std::string& why) {
    found.push_back({fmt::format("{}: {}", settings.name, why), option});
  };
  const std::size_t before = found.size();
  for (const auto& [option, file] :
       {std::pair{"cert", settings.certificate_file}, std::pair{"ca", settings.ca_file}}) {
    try {
      if (file) (void)read(*file);
    } catch (const Failure& problem) {
      tell(option, problem.what());
    }
  }
  if (settings.key_file) {
    if (auto key = read_key(*settings.key_file); !key) tell("key", key.error().message);
  }
  if (found.size() > before) return;
  // As the node's own, where it is used.
  const crypto::KeyAndCertificate own = crypto::make_self_signed("qanat");
  net::ServerTls identity;
  identity.key_pem = own.key_pem.view();
  identity.certificate_pem = own.certificate_pem;
  try {
    (void)context_of(settings, std::move(identity));
  } catch (const net::TlsFailure& problem) {
    tell(problem.part(), problem.what());
  } catch (const Failure& problem) {
    tell("cert", problem.what());
  }
}

void ServerIdentity::load() {
  const MutexLock one(look_mutex_);
  const MutexLock lock(mutex_);
  looked_ = stamps();
  try {
    context_ = make();
  } catch (const Failure& problem) {
    throw Failure(fmt::format("{}: {}", settings_.name, problem.what()));
  }
  until_ = net::certificate_until(context_.get());
}

void ServerIdentity::look(bool told) {
  const MutexLock one(look_mutex_);
  Stamps now = stamps();
  const bool changed = now != looked_;
  if (!changed && !failed_) return;
  looked_ = std::move(now);
  std::string problem;
  std::string news;
  try {
    crypto::SslCtxPtr fresh = make();
    failed_ = false;
    const MutexLock lock(mutex_);
    context_ = std::move(fresh);
    until_ = net::certificate_until(context_.get());
    news = fmt::format("the certificate was renewed; it is valid until {}", date(until_));
  } catch (const Failure& refused) {
    const bool again = std::exchange(failed_, true);
    // The files may be half of what is to come.
    if (!told && !again) return;
    const MutexLock lock(mutex_);
    problem = fmt::format("{}; the certificate of before is still shown, valid until {}",
                          refused.what(), date(until_));
  }
  {
    const MutexLock lock(mutex_);
    if (problem == problem_ && !problem.empty()) return;
    problem_ = problem;
  }
  services_.common.on_event(settings_.name, problem.empty() ? news : problem,
                            warning_if(!problem.empty()));
}

crypto::SslPtr ServerIdentity::new_session() const {
  const MutexLock lock(mutex_);
  crypto::SslPtr ssl(SSL_new(context_.get()));
  if (ssl) SSL_set_accept_state(ssl.get());
  return ssl;
}

void ServerIdentity::report(observe::OutletReport& out) const {
  out.groups = exchanges_.counts();
  const MutexLock lock(mutex_);
  out.certificate_until = until_;
  out.problem = problem_;
  if (problem_.empty() && until_ != 0 && until_ < std::time(nullptr)) {
    out.problem = "the certificate expired on " + date(until_);
  }
}

}  // namespace qanat::outlets
