// Who asks, and whether he may: access= of the outlet, and what pages of other sites may not do.
#include <fmt/format.h>

#include <array>
#include <ctime>

#include "base/shown.h"
#include "outlets/http/connection.h"
#include "wire/observer_token.h"
#include "wire/proof.h"
#include "wire/web_page.h"

namespace qanat::outlets {

namespace asio = boost::asio;

void HttpConnection::identify_by_certificate() {
  if (worker_.settings_.access != Access::ca) return;
  X509* const certificate = SSL_get0_peer_certificate(transport_.ssl());
  if (certificate == nullptr || SSL_get_verify_result(transport_.ssl()) != X509_V_OK) return;
  std::array<char, 65> name{};
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name.data(),
                            static_cast<int>(name.size()));
  become(worker_.services_.clients.find_or_add_certified(name.data(), std::time(nullptr)));
}

// Whether the peer is who the outlet's access asks for.
bool HttpConnection::authorise(std::string_view header) {
  // A client sends the same proof with every request until it has seen ours: verified once.
  // A token speaks for one request: a proxy may have those of many people on one connection.
  if (client_ && client_->observer && header != authorization_ &&
      !wire::is_observer_authorization(header)) {
    authorization_.clear();
    if (worker_.settings_.access != Access::ca) return false;
    identify_by_certificate();
    if (client_->observer) return false;
  }
  const bool readable_by_others = transport_.ssl() == nullptr && !peer_.local;
  if (!header.empty() && header != authorization_ && wire::is_observer_authorization(header)) {
    if (readable_by_others || !identify_observer(header)) return false;
    authorization_ = header;
  } else if (!header.empty() && transport_.ssl() != nullptr && header != authorization_) {
    const auto shown = wire::decode_authorization(header);
    const auto known = shown ? worker_.services_.clients.find(shown->name) : nullptr;
    if (!known || known->shared_key.empty() || known->observer) return false;
    WipedArray<wire::exporter_bytes> exporter;
    net::export_keying_material(transport_.ssl(), wire::exporter_label, exporter.view());
    const Bytes key = known->shared_key.view();
    if (!equal_constant_time(shown->proof,
                             make_proof(wire::Prover::client, key, exporter.view()))) {
      return false;
    }
    become(known);
    authorization_ = header;
    proof_ = to_hex(make_proof(wire::Prover::hub, key, exporter.view()));
  }
  if (client_ && client_->revoked.load()) return false;
  return worker_.settings_.access == Access::open || client_ != nullptr;
}

bool HttpConnection::identify_observer(std::string_view header) {
  const auto shown = wire::decode_observer_authorization(header);
  const auto known = shown ? worker_.services_.clients.find(shown->name) : nullptr;
  if (!known || !known->observer) return false;
  const SecretBytes kept = wire::kept_of_key(shown->key.view());
  if (!equal_constant_time(known->shared_key.view(), kept.view())) return false;
  become(known);
  return true;
}

// On loopback everybody may draw, and that is every page in every browser of this machine, too.
std::optional<wire::Refusal> HttpConnection::refusal_of_web_page() const {
  const HttpSettings& settings = worker_.settings_;
  if (!settings.unix_path.empty()) return std::nullopt;
  const wire::HttpRequestReader::Fields& fields = reader_.fields();
  if (wire::from_another_site(fields.fetch_site, fields.origin, fields.host)) {
    return wire::Refusal{403, "asked by a page of another site",
                         "no page may draw here but the hub's own; docs/http-api.md"};
  }
  const bool local = peer_.local || spec::is_loopback(settings.address.host);
  if (!settings.tls && local && !fields.host.empty() &&
      !wire::is_own_host(fields.host, settings.hosts)) {
    return wire::Refusal{403,
                         fmt::format("'{}' is not a name of this hub here", shown(fields.host)),
                         "use its address or localhost, or give the outlet host=NAME"};
  }
  return std::nullopt;
}

observe::Viewer HttpConnection::viewer() const {
  if (client_ != nullptr) return {.all = client_->observer, .client = client_.get()};
  // The control socket is the operator's in any case.
  const bool control = worker_.settings_.control != nullptr;
  return {.all = control || (peer_.local && worker_.http_.loopback_sees_all())};
}

asio::awaitable<void> HttpConnection::refuse_stranger() {
  ++worker_.counters_.unauthorised;
  // The name is not worth guessing at: an unknown one and a wrong key are answered alike.
  if (client_ && client_->revoked.load()) {
    co_return co_await refuse(403, "revoked", "this client may draw no more");
  }
  if (wire::is_observer_authorization(reader_.fields().authorization)) {
    const bool in_the_clear = transport_.ssl() == nullptr && !peer_.local;
    co_return co_await refuse(401, "who are you?",
                              in_the_clear
                                  ? "a token is taken over https and on loopback alone; this one "
                                    "was sent in the clear: revoke it"
                                  : "this token is unknown, or was revoked; 'qanat invite "
                                    "--observer NAME' at the hub makes one");
  }
  co_return co_await refuse(
      401, "who are you?",
      "connect with a join string ('qanat invite NAME' at the hub) or a certificate of the hub's "
      "CA; to look on, show an observer's token ('qanat invite --observer NAME')");
}

}  // namespace qanat::outlets
