// Endpoint: where requests of one source go; shared by the fetch threads.
//
// Invariants
// 1. Immutable but for the address list, which is replaced as a whole.
// 2. Connections are spread over the addresses in rotation (S3 wants that); one that failed goes last for a while, so
// that a
//    dead one costs its time once and not on each connection.
#pragma once

#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "deadline_heap.h"
#include "fetcher.h"

namespace dlfs::http {

// A socket address ready for connect().
struct Target {
  sockaddr_storage storage{};
  socklen_t length = 0;
  std::string text;                                        // for messages, e.g. "[::1]:443"
  std::shared_ptr<std::atomic<std::int64_t>> avoid_until;  // steady clock, ns; shared by every copy of this target
};

class Endpoint {
 public:
  // Throws std::invalid_argument for no or malformed addresses.
  Endpoint(std::uint32_t id, EndpointConfig config);

  std::uint32_t id() const noexcept { return id_; }
  TlsContext* tls() const noexcept { return config_.tls.get(); }
  // Bytes of the CONNECT request, empty without a tunnel. Holds the proxy's authorization.
  const std::string& tunnel_head() const noexcept { return tunnel_head_; }

  // Removed: its connections are not kept, its requests are cancelled.
  void retire() noexcept { retired_.store(true, std::memory_order_relaxed); }
  bool retired() const noexcept { return retired_.load(std::memory_order_relaxed); }

  void update_addresses(const std::vector<Address>& addresses);
  // The addresses to try for one connection, best first.
  std::vector<Target> targets(TimePoint now);
  static void avoid(const Target& target, TimePoint now) noexcept;

 private:
  const std::uint32_t id_;
  const EndpointConfig config_;
  const std::string tunnel_head_;
  std::atomic<bool> retired_{false};
  std::mutex mutex_;
  std::vector<Target> targets_;  // under mutex_
  std::size_t next_ = 0;         // under mutex_
};

}  // namespace dlfs::http
