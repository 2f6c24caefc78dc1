// TLS by OpenSSL: the one that the node executable carries and exports (its headers come with it), so the addon links
// none.
//
// Invariants
// 1. OpenSSL's error queue belongs to the thread: it is cleared before each call whose error is looked at.
// 2. A context outlives its transports (the endpoint of a connection holds it).
// 3. A context keeps the newest session only; sessions are reference-counted and read-only once handed over.
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "tls.h"

namespace dlfs::http {
namespace {

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* what) const noexcept {
    Free(what);
  }
};
using SslPtr = std::unique_ptr<SSL, Freed<SSL_free>>;
using ContextPtr = std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>>;
using SessionPtr = std::unique_ptr<SSL_SESSION, Freed<SSL_SESSION_free>>;
using BioPtr = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using X509Ptr = std::unique_ptr<X509, Freed<X509_free>>;

// Records are at most 16 KiB: this takes four with one system call. Measured from 16 to 256 KiB; it is flat around
// here.
constexpr std::size_t kReadAhead = 64 * 1024;

std::string last_error(const char* otherwise) {
  const unsigned long code = ERR_peek_last_error();
  if (code == 0) return otherwise;
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : otherwise;
}

bool is_ip(const std::string& name) {
  in6_addr scratch{};
  return ::inet_pton(AF_INET, name.c_str(), &scratch) == 1 || ::inet_pton(AF_INET6, name.c_str(), &scratch) == 1;
}

// The newest session of a context. OpenSSL's own cache and its callback are not used: they mark a TLS 1.3 session as
// used up with its first resumption, and every later ticket of that connection with it.
class NewestSession {
 public:
  void put(SessionPtr session) {
    const std::lock_guard lock(mutex_);
    session_.swap(session);
  }
  SessionPtr get() {
    const std::lock_guard lock(mutex_);
    if (session_) SSL_SESSION_up_ref(session_.get());
    return SessionPtr(session_.get());
  }

 private:
  std::mutex mutex_;
  SessionPtr session_;  // under mutex_
};

class OpenSslTransport final : public Transport {
 public:
  OpenSslTransport(SslPtr ssl, NewestSession& newest) : ssl_(std::move(ssl)), newest_(newest) {}
  // Without this, OpenSSL takes the end of a connection for a failure and never resumes its session. Truncation is not
  // what the shutdown protects from here: lengths are checked.
  ~OpenSslTransport() override { SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); }

  IoResult handshake() override {
    ERR_clear_error();
    const int rc = SSL_connect(ssl_.get());
    return rc == 1 ? IoResult{} : failure(rc);
  }

  IoResult read(std::span<std::byte> into, std::byte*) override {
    if (deferred_) return *std::exchange(deferred_, std::nullopt);
    ERR_clear_error();
    std::size_t got = 0;
    std::size_t total = 0;
    int rc = 0;
    // One call gives one record at most; what was read ahead is taken without going round the loop.
    while (total < into.size()) {
      rc = SSL_read_ex(ssl_.get(), into.data() + total, into.size() - total, &got);
      if (rc != 1) break;
      total += got;
    }
    // Tickets of TLS 1.3 come before the first bytes of a response.
    if (total > 0 && !std::exchange(session_offered_, true)) offer_session();
    if (total == into.size()) return {.bytes = total};
    const IoResult stopped = failure(rc);
    if (total == 0) return stopped;
    // Not to be asked of OpenSSL twice: after a fatal error its answers mean nothing.
    if (stopped.io != Io::kWouldBlock) deferred_ = stopped;
    return {.bytes = total, .drained = stopped.io == Io::kWouldBlock};
  }

  IoResult write(std::span<const std::byte> from) override {
    ERR_clear_error();
    std::size_t put = 0;
    const int rc = SSL_write_ex(ssl_.get(), from.data(), from.size(), &put);
    return rc == 1 ? IoResult{.bytes = put} : failure(rc);
  }

  bool buffered() const override { return SSL_has_pending(ssl_.get()) == 1; }
  std::string error() const override { return error_; }
  bool resumed() const override { return SSL_session_reused(ssl_.get()) == 1; }

 private:
  IoResult failure(int rc) {
    const int saved = errno;
    switch (SSL_get_error(ssl_.get(), rc)) {
      case SSL_ERROR_WANT_READ:
      case SSL_ERROR_WANT_WRITE:
        return {.io = Io::kWouldBlock};
      case SSL_ERROR_ZERO_RETURN:
        return {.io = Io::kEof};
      case SSL_ERROR_SYSCALL:
        return syscall_failure(saved);
      default:
        break;
    }
    // A peer that closes TCP without close_notify: lengths are checked elsewhere, so to us it is an end like any other.
    if (ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) return {.io = Io::kEof};
    const long verified = SSL_get_verify_result(ssl_.get());
    error_ = verified != X509_V_OK
                 ? std::string("the certificate is not trusted: ") + X509_verify_cert_error_string(verified)
                 : last_error("protocol failure");
    ERR_clear_error();
    return {.io = Io::kError};
  }

  void offer_session() {
    SessionPtr session(SSL_get1_session(ssl_.get()));
    if (session && SSL_SESSION_is_resumable(session.get()) == 1) newest_.put(std::move(session));
  }

  IoResult syscall_failure(int saved) {
    ERR_clear_error();
    // Before the handshake is done, a reset is what a closed port behind a load balancer looks like: let it fail over.
    if (saved == 0 || !SSL_is_init_finished(ssl_.get())) return {.io = Io::kEof};
    error_ = std::generic_category().message(saved);
    return {.io = Io::kError};
  }

  const SslPtr ssl_;
  NewestSession& newest_;
  bool session_offered_ = false;
  std::optional<IoResult> deferred_;  // what ended a read that had bytes to give first
  std::string error_;
};

class OpenSslContext final : public TlsContext {
 public:
  explicit OpenSslContext(const TlsConfig& config)
      : server_name_(config.server_name), by_address_(is_ip(config.server_name)) {
    ERR_clear_error();
    context_.reset(SSL_CTX_new(TLS_client_method()));
    if (!context_) throw std::runtime_error("no TLS context: " + last_error("out of memory"));
    SSL_CTX* context = context_.get();
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, kReadAhead);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    // Servers that speak HTTP/2 as well must not choose it for us.
    static constexpr unsigned char kProtocols[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
    if (SSL_CTX_set_alpn_protos(context, kProtocols, sizeof kProtocols) != 0)
      throw std::runtime_error("no TLS context: out of memory");
    if (server_name_.empty()) throw std::runtime_error("TLS needs the server's name");
    std::size_t roots = 0;
    for (const std::string& pem : config.ca_pems) roots += trust(pem);
    if (roots == 0) throw std::runtime_error("no root certificate was given");
  }

  std::unique_ptr<Transport> wrap(int fd) override {
    ERR_clear_error();
    SslPtr ssl(SSL_new(context_.get()));
    if (!ssl || SSL_set_fd(ssl.get(), fd) != 1)
      throw std::runtime_error("no TLS connection: " + last_error("out of memory"));
    SSL_set_connect_state(ssl.get());
    X509_VERIFY_PARAM* verify = SSL_get0_param(ssl.get());
    X509_VERIFY_PARAM_set_hostflags(verify, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    const bool named = by_address_ ? X509_VERIFY_PARAM_set1_ip_asc(verify, server_name_.c_str()) == 1
                                   : SSL_set_tlsext_host_name(ssl.get(), server_name_.c_str()) == 1 &&
                                         X509_VERIFY_PARAM_set1_host(verify, server_name_.c_str(), 0) == 1;
    if (!named) throw std::runtime_error("the server's name cannot be used for TLS");
    if (const SessionPtr session = newest_.get()) SSL_set_session(ssl.get(), session.get());
    return std::make_unique<OpenSslTransport>(std::move(ssl), newest_);
  }

 private:
  // Number of certificates taken.
  std::size_t trust(const std::string& pem) {
    const BioPtr bio(
        BIO_new_mem_buf(pem.data(), static_cast<int>(std::min<std::size_t>(pem.size(), 64 * 1024 * 1024))));
    if (!bio) throw std::runtime_error("root certificates: out of memory");
    X509_STORE* store = SSL_CTX_get_cert_store(context_.get());
    std::size_t taken = 0;
    for (;;) {
      ERR_clear_error();
      const X509Ptr certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
      if (!certificate) break;
      if (X509_STORE_add_cert(store, certificate.get()) != 1)
        throw std::runtime_error("root certificates: " + last_error("not accepted"));
      ++taken;
    }
    const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    const std::string why = last_error("not PEM");
    ERR_clear_error();
    if (!at_end) throw std::runtime_error("root certificates: " + why);
    return taken;
  }

  const std::string server_name_;
  const bool by_address_;
  NewestSession newest_;
  ContextPtr context_;
};

}  // namespace

std::shared_ptr<TlsContext> make_tls_context(const TlsConfig& config) {
  return std::make_shared<OpenSslContext>(config);
}

}  // namespace dlfs::http
