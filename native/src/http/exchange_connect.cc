// The part of an exchange that makes a connection: addresses in turn, the tunnel through a proxy, the TLS handshake.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <exception>
#include <system_error>
#include <utility>

#include "exchange.h"
#include "text_bytes.h"
#include "tls.h"

namespace dlfs::http {
namespace {

std::string errno_text(int error) { return std::generic_category().message(error); }

}  // namespace

Exchange::Step Exchange::dial() {
  if (targets_.empty()) {
    targets_ = endpoint_->targets(host_.now());
    dial_started_ = host_.now();
    connect_due_ = after(dial_started_, request_.connect_timeout);
  }
  // An earlier attempt may have come as far as the proxy's answer.
  partial_.clear();
  parser_.reset();
  if (attempt_ == targets_.size()) return end(FetchKind::kConnectFailed, last_failure_);
  const Target& target = targets_[attempt_];
  UniqueFd fd(::socket(target.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return end(FetchKind::kConnectFailed, "no socket: " + errno_text(errno));
  const int on = 1;
  // A head leaves at once; a peer that vanished is noticed even where nothing is waited for. The receive buffer is left
  // to the kernel's own tuning.
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  const bool failed = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&target.storage), target.length) != 0 &&
                      errno != EINPROGRESS;
  if (failed) return attempt_failed(errno_text(errno));
  connection_ = std::make_unique<Connection>();
  connection_->fd = std::move(fd);
  connection_->endpoint = endpoint_;
  connection_->user = this;
  if (!host_.watch(*connection_)) return end(FetchKind::kConnectFailed, "no epoll entry: " + errno_text(errno));
  // Every address gets an equal part of what is left, so that the last one still has its chance.
  const auto left = connect_due_ - host_.now();
  attempt_due_ = host_.now() + left / static_cast<int>(targets_.size() - attempt_);
  phase_ = Phase::kConnecting;
  return Step::kNext;
}

Exchange::Step Exchange::attempt_failed(const std::string& why) {
  const Target& target = targets_[attempt_++];
  last_failure_ = "connect to " + target.text + ": " + why;
  Endpoint::avoid(target, host_.now());
  host_.count(Count::kConnectFailure, 1);
  if (connection_) host_.discard(std::move(connection_));
  phase_ = Phase::kDial;
  return Step::kNext;
}

Exchange::Step Exchange::finish_connect() {
  int error = 0;
  socklen_t length = sizeof error;
  ::getsockopt(connection_->fd.get(), SOL_SOCKET, SO_ERROR, &error, &length);
  if (error != 0) return attempt_failed(errno_text(error));
  sockaddr_storage peer{};
  length = sizeof peer;
  if (::getpeername(connection_->fd.get(), reinterpret_cast<sockaddr*>(&peer), &length) != 0) return Step::kWait;
  return connected();
}

Exchange::Step Exchange::connected() {
  if (endpoint_->tunnel_head().empty()) return secure();
  connection_->transport = make_plain_transport(connection_->fd.get());
  sent_ = 0;
  phase_ = Phase::kTunnelSend;
  return Step::kNext;
}

Exchange::Step Exchange::tunnel_send() {
  const std::string& head = endpoint_->tunnel_head();
  const IoResult result = connection_->transport->write(as_bytes(std::string_view(head).substr(sent_)));
  if (result.io == Io::kWouldBlock) return Step::kWait;
  if (result.io != Io::kDone) return attempt_failed("the proxy closed the connection");
  sent_ += result.bytes;
  if (sent_ == head.size()) phase_ = Phase::kTunnelHead;
  return Step::kNext;
}

Exchange::Step Exchange::tunnel_head() {
  const IoResult result = connection_->transport->read(host_.scratch(), nullptr);
  if (result.io == Io::kWouldBlock) return Step::kWait;
  if (result.io != Io::kDone) return attempt_failed("the proxy closed the connection");
  partial_.append(as_text(host_.scratch().first(result.bytes)));
  ResponseHead head;
  const ParseOutcome outcome = parser_.parse(partial_, head);
  if (outcome.state == ParseState::kMore) return Step::kNext;
  if (outcome.state == ParseState::kInvalid)
    return attempt_failed("the proxy's answer is malformed: " + std::string(outcome.reason));
  if (head.status / 100 != 2) {
    result_.head.status = head.status;
    return end(FetchKind::kConnectFailed, "the proxy refused the tunnel with status " + std::to_string(head.status));
  }
  // A TLS server speaks second: whatever follows here would be the proxy's own.
  if (outcome.consumed != partial_.size()) return attempt_failed("the proxy sent bytes into the tunnel");
  partial_.clear();
  parser_.reset();
  return secure();
}

Exchange::Step Exchange::secure() {
  const int fd = connection_->fd.get();
  try {
    connection_->transport = endpoint_->tls() != nullptr ? endpoint_->tls()->wrap(fd) : make_plain_transport(fd);
  } catch (const std::exception& error) {
    return end(FetchKind::kTlsFailed, error.what());
  }
  phase_ = Phase::kHandshake;
  return Step::kNext;
}

Exchange::Step Exchange::handshake() {
  const IoResult result = connection_->transport->handshake();
  switch (result.io) {
    case Io::kDone:
      return usable();
    case Io::kWouldBlock:
      return Step::kWait;
    case Io::kEof:
      return attempt_failed("the connection was closed during the TLS handshake");
    case Io::kError:
      break;
  }
  return end(FetchKind::kTlsFailed, "TLS with " + targets_[attempt_].text + ": " + connection_->transport->error());
}

Exchange::Step Exchange::usable() {
  host_.count(Count::kConnect, 1);
  if (connection_->transport->resumed()) host_.count(Count::kTlsResumed, 1);
  result_.timings.connect = host_.now() - dial_started_;
  sent_ = 0;
  touch();
  phase_ = Phase::kSend;
  return Step::kNext;
}

}  // namespace dlfs::http
