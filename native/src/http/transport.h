// Transport: bytes over one connected, non-blocking socket, plain or TLS.
//
// Invariants
// 1. No call blocks. 2. After kEof or kError the transport is only destroyed. 3. It never closes the socket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace dlfs::http {

enum class Io : std::uint8_t { kDone, kWouldBlock, kEof, kError };

struct IoResult {
  Io io = Io::kDone;
  std::size_t bytes = 0;  // kDone: > 0 for read and write
  // The socket was empty when this read returned: another read would only say kWouldBlock.
  bool drained = false;
};

class Transport {
 public:
  Transport() = default;
  virtual ~Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  // Until kDone; called again on each readiness of the socket. At once kDone for plain TCP.
  virtual IoResult handshake() = 0;
  // Fills `into`; with `spare` it may take one byte beyond `into`, which then counts in `bytes`: what follows a body
  // that should be complete is seen without another system call.
  virtual IoResult read(std::span<std::byte> into, std::byte* spare) = 0;
  virtual IoResult write(std::span<const std::byte> from) = 0;
  // Bytes may be had without the socket becoming readable.
  virtual bool buffered() const = 0;
  // Of the last kError: one line, without secrets.
  virtual std::string error() const = 0;
  // Valid after the handshake: it continued an earlier session.
  virtual bool resumed() const = 0;
};

// TCP as it is.
std::unique_ptr<Transport> make_plain_transport(int fd);

}  // namespace dlfs::http
