// A scripted origin on loopback: one thread a connection, whose script says byte by byte what the origin does.
//
// Invariants
// 1. Nothing outlives the Server: its destructor ends every blocked script (by shutting its socket down) and joins.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "../src/base/unique_fd.h"

namespace dlfs::test {

// One accepted connection, in the hands of its script.
class Peer {
 public:
  Peer(UniqueFd fd, unsigned index) : fd_(std::move(fd)), index_(index) {}

  // The how many-th connection of the server this is, from 0.
  unsigned index() const { return index_; }

  // The next request's head, or "" when the client has closed.
  std::string read_head() {
    std::string head;
    while (!head.ends_with("\r\n\r\n")) {
      char c = 0;
      if (::recv(fd_.get(), &c, 1, 0) != 1) return "";
      head += c;
    }
    return head;
  }
  // False when the client has closed.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t put = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (put <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(put));
    }
    return true;
  }
  // Blocks until the client closes.
  void wait_for_close() {
    char c = 0;
    while (::recv(fd_.get(), &c, 1, 0) > 0) {
    }
  }
  // The connection ends with RST instead of FIN when the script returns.
  void reset_at_end() {
    const linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
  const unsigned index_;
};

class Server {
 public:
  using Script = std::function<void(Peer&)>;

  explicit Server(Script script)
      : script_(std::move(script)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof at;
    if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&at), length) != 0 || ::listen(listener_.get(), 512) != 0 ||
        ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&at), &length) != 0) {
      throw std::runtime_error("no listener");
    }
    port_ = ntohs(at.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~Server() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    acceptor_.join();
    std::vector<std::thread> scripts;
    {
      const std::lock_guard lock(mutex_);
      for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
      scripts.swap(scripts_);
    }
    for (std::thread& script : scripts) script.join();
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t port() const { return port_; }
  unsigned connections() const {
    const std::lock_guard lock(mutex_);
    return static_cast<unsigned>(scripts_.size());
  }

 private:
  void accept_all() {
    for (;;) {
      const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      const std::lock_guard lock(mutex_);
      open_.push_back(fd);
      scripts_.emplace_back([this, fd, index = static_cast<unsigned>(scripts_.size())] {
        Peer peer(UniqueFd(fd), index);
        script_(peer);
        const std::lock_guard done(mutex_);
        std::erase(open_, fd);
      });
    }
  }

  const Script script_;
  const UniqueFd listener_;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::vector<int> open_;             // under mutex_
  std::vector<std::thread> scripts_;  // under mutex_
  std::thread acceptor_;
};

// An address that neither accepts nor refuses: a listener whose queue of connections is full.
class Blackhole {
 public:
  Blackhole() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof at;
    if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&at), length) != 0 || ::listen(listener_.get(), 0) != 0 ||
        ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&at), &length) != 0) {
      throw std::runtime_error("no listener");
    }
    port_ = ntohs(at.sin_port);
    // The first connection fills the queue of a backlog of 0; the others make sure.
    for (int i = 0; i < 4; ++i) {
      UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      [[maybe_unused]] const int ignored = ::connect(fd.get(), reinterpret_cast<sockaddr*>(&at), length);
      fillers_.push_back(std::move(fd));
    }
  }
  std::uint16_t port() const { return port_; }

 private:
  UniqueFd listener_;
  std::vector<UniqueFd> fillers_;
  std::uint16_t port_ = 0;
};

}  // namespace dlfs::test
