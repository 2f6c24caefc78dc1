// Fetcher: receives ranges of objects by HTTP/1.1 GET, straight into memory that the caller names.
//
// A fixed number of threads, each with an epoll of its own, a mailbox (eventfd) and its own keep-alive connections per
// endpoint; nothing is shared between threads but endpoints (immutable once published, except the address list) and
// counters. The caller signs: a request is a complete head as bytes, sent as it is. A body is received by recv() (or
// SSL_read()) into the window that the request's sink offers, without a copy of ours.
//
// Invariants
// 1. Every submitted request is finished exactly once, on a fetch thread, whatever happens: success, failure, cancel(),
//    ~Fetcher(). After finish() the sink is destroyed, on the same thread.
// 2. A sink sees bytes only of a response that was checked: 206 whose Content-Range is exactly the expected range, or
// 200
//    to a request for the whole object; Content-Length is the expected length. Anything else never reaches the sink's
//    window: an error status arrives as kHttpError, the rest as kProtocol.
// 3. kOk means: exactly expect_length bytes went through advance().
// 4. No fetch thread ever blocks; a sink without a window stops its own connection and no other.
// 5. Bytes that a sink has advanced over stay advanced: a retry of ours (a reused connection that turned out to be
// closed)
//    happens only before the first byte of a response.
// 6. A connection goes back to the idle ones only after a response that was complete, correct and kept alive.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "response.h"

namespace dlfs::http {

class TlsContext;  // tls.h

enum class FetchKind : std::uint8_t {
  kOk,
  kHttpError,      // a status other than the expected one; head and body (first 64 KiB) are in the result
  kConnectFailed,  // no address could be connected to, or the proxy refused the tunnel; worth another try
  kTlsFailed,      // handshake failed: certificate, host name, protocol version
  kTimeout,        // connect, stall or whole deadline; the text says which
  kReset,          // the connection ended before the response was complete; worth another try
  kProtocol,       // the response is not HTTP/1.1 as we accept it, or not the range that was asked for
  kCancelled,      // cancel(), remove_endpoint() or ~Fetcher()
  kRejected,       // the sink's accept() returned false
};

// A stable lower-case word for logs and metrics, e.g. "http_error".
std::string_view to_string(FetchKind kind) noexcept;

struct FetchTimings {
  std::chrono::nanoseconds connect{0};     // TCP + proxy + TLS; 0 on a reused connection
  std::chrono::nanoseconds first_byte{0};  // submit → first byte of the response; 0 when there was none
  std::chrono::nanoseconds total{0};       // submit → finish
};

struct FetchResult {
  FetchKind kind = FetchKind::kOk;
  std::string text;             // empty for kOk; otherwise one line, without secrets, that names the discrepancy
  ResponseHead head;            // status 0 when no head arrived; the proxy's status when it refused the tunnel
  std::vector<std::byte> body;  // kHttpError only: at most 64 KiB, possibly cut
  std::uint64_t received = 0;   // body bytes that went through advance()
  bool reused_connection = false;
  FetchTimings timings;
};

// Where a body goes. All calls come from one fetch thread, never at the same time, and must not block. Calls into the
// Fetcher are allowed from inside any of them.
class BodySink {
 public:
  BodySink() = default;
  virtual ~BodySink() = default;
  BodySink(const BodySink&) = delete;
  BodySink& operator=(const BodySink&) = delete;

  // The response fits (invariant 2). The sink checks what only it can know, such as the etag; false drops the
  // connection and ends the request as kRejected.
  virtual bool accept(const ResponseHead& head) = 0;
  // Where the next bytes go. May be larger than what is still to come. Empty: back-pressure; the connection is not read
  // until resume(id). The span stays valid and the caller's until the next call on the sink.
  virtual std::span<std::byte> window() = 0;
  // The first n > 0 bytes of the last window were filled.
  virtual void advance(std::size_t n) = 0;
  // Exactly once, last call.
  virtual void finish(FetchResult&& result) = 0;
};

// One socket address of an endpoint (or of the proxy in front of it): a literal IPv4 or IPv6 address, without brackets.
struct Address {
  std::string ip;
  std::uint16_t port = 0;
};

// A CONNECT tunnel through an HTTP proxy; the endpoint's addresses are then the proxy's.
// For plain HTTP through a proxy leave this out and give heads in absolute form.
struct ProxyTunnel {
  std::string authority;      // host:port of the origin
  std::string authorization;  // value of Proxy-Authorization; empty = none. A secret: never in a text.
};

struct EndpointConfig {
  std::vector<Address> addresses;   // at least one; tried in rotation, failing ones are avoided for a while
  std::shared_ptr<TlsContext> tls;  // null = plain TCP. Made by make_tls_context() (tls.h), may be shared by endpoints
  std::optional<ProxyTunnel> tunnel;
};

struct FetchRequest {
  std::uint64_t id = 0;  // the caller's, unique among unfinished requests. id % threads chooses the thread: count up
  std::uint32_t endpoint = 0;  // from add_endpoint()
  std::string head;            // request line, fields and the empty line, as sent
  std::uint64_t expect_offset = 0;
  std::uint64_t expect_length = 0;                    // > 0
  std::chrono::milliseconds connect_timeout{10'000};  // until a connection is usable (all addresses, proxy, TLS)
  std::chrono::milliseconds stall_timeout{30'000};    // without a byte of progress; does not run during back-pressure
  std::chrono::milliseconds deadline{300'000};        // for the whole request, back-pressure included; 0 = none
  std::unique_ptr<BodySink> sink;                     // never null
};

struct FetcherOptions {
  unsigned threads = 2;
  unsigned max_idle_per_endpoint = 64;             // per thread
  std::chrono::milliseconds idle_timeout{15'000};  // below the 20 s after which S3 closes an idle connection
};

// Sums over all threads since the start; gauges where marked. Not one consistent moment.
struct FetcherStats {
  std::uint64_t submitted = 0, finished = 0;
  std::uint64_t active = 0;            // gauge
  std::uint64_t idle_connections = 0;  // gauge
  std::uint64_t connects = 0;          // connections made, TLS included
  std::uint64_t connect_failures = 0;  // single addresses that failed
  std::uint64_t reused = 0;            // requests sent on a kept connection
  std::uint64_t stale_retries = 0;     // … that turned out to be closed
  std::uint64_t tls_resumed = 0;
  std::uint64_t bytes = 0;          // body bytes into sinks
  std::uint64_t back_pressure = 0;  // times that a sink had no window
};

// Thread-safe. Destroy it from a thread that is none of its own.
class Fetcher {
 public:
  // Throws std::system_error when threads or descriptors cannot be had.
  explicit Fetcher(const FetcherOptions& options);
  // Finishes every request with kCancelled, closes every connection, joins the threads.
  ~Fetcher();
  Fetcher(const Fetcher&) = delete;
  Fetcher& operator=(const Fetcher&) = delete;

  // Throws std::invalid_argument for no or malformed addresses. The id is never used again.
  std::uint32_t add_endpoint(EndpointConfig config);
  // Takes effect for connections made from now on. Throws std::invalid_argument for an unknown endpoint or addresses as
  // above.
  void update_addresses(std::uint32_t endpoint, const std::vector<Address>& addresses);
  // Closes its idle connections and cancels its requests; asynchronous. Unknown: no effect.
  void remove_endpoint(std::uint32_t endpoint);

  // Throws std::invalid_argument when endpoint, sink, head or expect_length are not valid; the request is then not
  // taken and its sink is destroyed without finish().
  void submit(FetchRequest request);
  // Asynchronous; the request finishes with kCancelled unless it finishes otherwise first. Unknown id: no effect.
  void cancel(std::uint64_t id);
  // The sink of this request has a window again. Spurious calls are harmless.
  void resume(std::uint64_t id);

  FetcherStats stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dlfs::http
