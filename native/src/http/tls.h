// TLS for the fetcher, behind an interface that needs no OpenSSL header, so that everything else builds and is tested
// without one. The one implementation is tls_openssl.cc, against the OpenSSL that the node executable carries and
// exports.
//
// Invariants
// 1. TLS ≥ 1.2; the peer's chain is verified against the given roots only; the host name (or IP address) is checked.
// 2. A session handed over is only ever resumed on a context with the same server name and roots.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "transport.h"

namespace dlfs::http {

struct TlsConfig {
  std::string server_name;           // DNS name (sent as SNI) or literal IP address
  std::vector<std::string> ca_pems;  // each may hold several certificates; at least one in all
};

// Thread-safe; shared by the fetch threads.
class TlsContext {
 public:
  virtual ~TlsContext() = default;
  // A transport over a connected, non-blocking socket; socket and context must outlive it. Throws std::runtime_error.
  virtual std::unique_ptr<Transport> wrap(int fd) = 0;
};

// Throws std::runtime_error, with a one-line reason, e.g. when a PEM cannot be read.
std::shared_ptr<TlsContext> make_tls_context(const TlsConfig& config);

}  // namespace dlfs::http
