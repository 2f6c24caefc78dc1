// The plain TCP transport: recv and send on a non-blocking socket.
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <system_error>

#include "transport.h"

namespace dlfs::http {
namespace {

class PlainTransport final : public Transport {
 public:
  explicit PlainTransport(int fd) : fd_(fd) {}

  IoResult handshake() override { return {}; }

  IoResult read(std::span<std::byte> into, std::byte* spare) override {
    iovec parts[2] = {{.iov_base = into.data(), .iov_len = into.size()},
                      {.iov_base = spare, .iov_len = spare != nullptr ? 1u : 0u}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = spare != nullptr ? 2 : 1;
    for (;;) {
      const ssize_t got = ::recvmsg(fd_, &message, MSG_DONTWAIT);
      if (got > 0) {
        const auto bytes = static_cast<std::size_t>(got);
        return {.bytes = bytes, .drained = bytes < into.size() + parts[1].iov_len};
      }
      if (got == 0) return {.io = Io::kEof};
      if (errno != EINTR) return failure();
    }
  }

  IoResult write(std::span<const std::byte> from) override {
    for (;;) {
      const ssize_t put = ::send(fd_, from.data(), from.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (put >= 0) return {.bytes = static_cast<std::size_t>(put)};
      if (errno != EINTR) return failure();
    }
  }

  bool buffered() const override { return false; }
  std::string error() const override { return std::generic_category().message(errno_); }
  bool resumed() const override { return false; }

 private:
  IoResult failure() {
    if (errno == EAGAIN || errno == EWOULDBLOCK) return {.io = Io::kWouldBlock};
    errno_ = errno;
    return {.io = Io::kError};
  }

  const int fd_;
  int errno_ = 0;
};

}  // namespace

std::unique_ptr<Transport> make_plain_transport(int fd) { return std::make_unique<PlainTransport>(fd); }

}  // namespace dlfs::http
