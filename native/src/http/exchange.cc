#include "exchange.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <system_error>
#include <utility>

#include "tls.h"
#include "verdict.h"

namespace dlfs::http {
namespace {

// Of an error body: the XML of an S3 error is below 2 KiB; the rest is for the log of whoever debugs a strange origin.
constexpr std::size_t kMaxErrorBody = 64 * 1024;
// One read: bounds how long one connection holds its thread (about 0.1 ms of copying).
constexpr std::size_t kMaxRead = 512 * 1024;
// One turn of a connection before the others have theirs.
constexpr std::size_t kTurn = 2 * 1024 * 1024;
constexpr unsigned kMaxInterim = 8;
// Keeps the arithmetic on time points far from overflow; longer limits mean "none" anyway.
constexpr std::chrono::hours kLongest{24 * 365};

TimePoint after(TimePoint from, std::chrono::milliseconds limit) noexcept {
  return from + std::clamp<std::chrono::milliseconds>(limit, std::chrono::milliseconds(0), kLongest);
}

std::string errno_text(int error) { return std::generic_category().message(error); }
std::string milliseconds_text(std::chrono::milliseconds limit) { return std::to_string(limit.count()) + " ms"; }
std::string_view as_text(std::span<const std::byte> bytes) noexcept { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
std::span<const std::byte> as_bytes(std::string_view text) noexcept { return std::as_bytes(std::span(text.data(), text.size())); }

}  // namespace

Exchange::Exchange(ExchangeHost& host, FetchRequest request, std::shared_ptr<Endpoint> endpoint, TimePoint submitted)
    : host_(host),
      request_(std::move(request)),
      endpoint_(std::move(endpoint)),
      submitted_(submitted),
      whole_due_(request_.deadline.count() > 0 ? after(submitted, request_.deadline) : TimePoint::max()) {}

Exchange::~Exchange() {
  if (connection_) host_.discard(std::move(connection_));
}

Progress Exchange::start(std::unique_ptr<Connection> kept) {
  if (kept) {
    connection_ = std::move(kept);
    connection_->user = this;
    result_.reused_connection = true;
    host_.count(Count::kReused, 1);
    touch();
    phase_ = Phase::kSend;
  }
  return drive();
}

Progress Exchange::drive() {
  if (paused_) return Progress::kWaiting;
  for (;;) {
    Step step = Step::kFinished;
    switch (phase_) {
      case Phase::kDial: step = dial(); break;
      case Phase::kConnecting: step = finish_connect(); break;
      case Phase::kTunnelSend: step = tunnel_send(); break;
      case Phase::kTunnelHead: step = tunnel_head(); break;
      case Phase::kHandshake: step = handshake(); break;
      case Phase::kSend: step = send(); break;
      case Phase::kHead: step = receive_head(); break;
      case Phase::kBody: step = receive_body(); break;
      case Phase::kErrorBody: step = receive_error_body(); break;
      case Phase::kEnded: break;
    }
    switch (step) {
      case Step::kNext: continue;
      case Step::kWait: return Progress::kWaiting;
      case Step::kAgain: return Progress::kAgain;
      case Step::kFinished: return Progress::kFinished;
    }
  }
}

Progress Exchange::resume() {
  if (!paused_) return Progress::kWaiting;
  paused_ = false;
  touch();
  return drive();
}

TimePoint Exchange::due() const noexcept {
  if (phase_ == Phase::kConnecting) return std::min({whole_due_, connect_due_, attempt_due_});
  if (establishing()) return std::min(whole_due_, connect_due_);
  return paused_ ? whole_due_ : std::min(whole_due_, after(last_progress_, request_.stall_timeout));
}

Progress Exchange::expire() {
  const TimePoint now = host_.now();
  if (now < due()) return Progress::kWaiting;
  Step step = Step::kFinished;
  if (phase_ == Phase::kErrorBody) {
    step = end_http_error(false);  // the status says more than the time
  } else if (now >= whole_due_) {
    step = end(FetchKind::kTimeout, "not complete within " + milliseconds_text(request_.deadline) + so_far());
  } else if (establishing()) {
    if (now < connect_due_ && phase_ == Phase::kConnecting) {
      step = attempt_failed("no answer");
    } else {
      step = end(FetchKind::kTimeout, "no connection within " + milliseconds_text(request_.connect_timeout) + (last_failure_.empty() ? "" : "; " + last_failure_));
    }
  } else {
    step = end(FetchKind::kTimeout, "no byte for " + milliseconds_text(request_.stall_timeout) + so_far());
  }
  if (step == Step::kFinished) return Progress::kFinished;
  return drive();
}

Progress Exchange::cancel(std::string text) {
  end(FetchKind::kCancelled, std::move(text));
  return Progress::kFinished;
}

void Exchange::deliver() {
  const std::unique_ptr<BodySink> sink = std::move(request_.sink);
  sink->finish(std::move(result_));
}

// ---- connecting ----

Exchange::Step Exchange::dial() {
  if (targets_.empty()) {
    targets_ = endpoint_->targets(host_.now());
    dial_started_ = host_.now();
    connect_due_ = after(dial_started_, request_.connect_timeout);
  }
  if (attempt_ == targets_.size()) return end(FetchKind::kConnectFailed, last_failure_);
  const Target& target = targets_[attempt_];
  UniqueFd fd(::socket(target.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return end(FetchKind::kConnectFailed, "no socket: " + errno_text(errno));
  const int on = 1;
  // A head leaves at once; a peer that vanished is noticed even where nothing is waited for. The receive buffer is left to
  // the kernel's own tuning.
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  const bool failed = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&target.storage), target.length) != 0 && errno != EINPROGRESS;
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
  if (outcome.state == ParseState::kInvalid) return attempt_failed("the proxy's answer is malformed: " + std::string(outcome.reason));
  if (head.status / 100 != 2) return end(FetchKind::kConnectFailed, "the proxy refused the tunnel with status " + std::to_string(head.status));
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
    case Io::kDone: return usable();
    case Io::kWouldBlock: return Step::kWait;
    case Io::kEof: return attempt_failed("the connection was closed during the TLS handshake");
    case Io::kError: break;
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

// ---- sending and receiving ----

Exchange::Step Exchange::send() {
  const IoResult result = connection_->transport->write(as_bytes(std::string_view(request_.head).substr(sent_)));
  if (result.io == Io::kWouldBlock) return Step::kWait;
  if (result.io != Io::kDone) return broken(result, "while sending the request");
  touch();
  sent_ += result.bytes;
  if (sent_ == request_.head.size()) phase_ = Phase::kHead;
  return Step::kNext;
}

Exchange::Step Exchange::receive_head() {
  for (;;) {
    const IoResult result = connection_->transport->read(host_.scratch(), nullptr);
    if (result.io == Io::kWouldBlock) return Step::kWait;
    if (result.io != Io::kDone) return broken(result, "before a response");
    touch();
    if (!any_byte_) result_.timings.first_byte = host_.now() - submitted_;
    any_byte_ = true;
    std::string_view bytes = as_text(host_.scratch().first(result.bytes));
    if (!partial_.empty()) bytes = partial_.append(bytes);
    for (;;) {
      const ParseOutcome outcome = parser_.parse(bytes, result_.head);
      if (outcome.state == ParseState::kInvalid) return end(FetchKind::kProtocol, "malformed response: " + std::string(outcome.reason));
      if (outcome.state == ParseState::kMore) break;
      bytes.remove_prefix(outcome.consumed);
      if (result_.head.status >= 200) return begin_body(bytes);
      if (result_.head.status == 101 || ++interim_ > kMaxInterim) return end(FetchKind::kProtocol, "unexpected interim response " + std::to_string(result_.head.status));
      result_.head = {};
      parser_.reset();
    }
    if (bytes.data() != partial_.data()) partial_ = std::string(bytes);
    if (!must_read_on(result)) return Step::kWait;
  }
}

// `rest` are the bytes that came with the head.
Exchange::Step Exchange::begin_body(std::string_view rest) {
  const ResponseHead& head = result_.head;
  std::string text;
  switch (judge(head, request_.expect_offset, request_.expect_length, text)) {
    case Verdict::kProtocol: return end(FetchKind::kProtocol, std::move(text));
    case Verdict::kHttpError:
      phase_ = Phase::kErrorBody;
      if (head.status == 204 || head.status == 304) return end_http_error(rest.empty());
      remaining_ = head.content_length >= 0 ? static_cast<std::uint64_t>(head.content_length) : 0;
      return take_error_bytes(as_bytes(rest));
    case Verdict::kDeliver: break;
  }
  if (!request_.sink->accept(head)) return end(FetchKind::kRejected, "the response was not accepted");
  remaining_ = request_.expect_length;
  phase_ = Phase::kBody;
  if (rest.size() > remaining_) return end(FetchKind::kProtocol, "bytes follow the body");
  std::span<const std::byte> bytes = as_bytes(rest);
  while (!bytes.empty()) {
    const std::span<std::byte> window = request_.sink->window();
    if (window.empty()) {
      stash_.assign(bytes.begin(), bytes.end());
      paused_ = true;
      host_.count(Count::kBackPressure, 1);
      return Step::kWait;
    }
    const std::size_t n = std::min(window.size(), bytes.size());
    std::memcpy(window.data(), bytes.data(), n);
    bytes = bytes.subspan(n);
    advance(n);
  }
  return remaining_ == 0 ? complete() : Step::kNext;
}

Exchange::Step Exchange::receive_body() {
  std::size_t turn = 0;
  while (turn < kTurn) {
    const std::span<std::byte> window = request_.sink->window();
    if (window.empty()) {
      paused_ = true;
      host_.count(Count::kBackPressure, 1);
      return Step::kWait;
    }
    if (stash_taken_ < stash_.size()) {
      const std::size_t n = std::min(window.size(), stash_.size() - stash_taken_);
      std::memcpy(window.data(), stash_.data() + stash_taken_, n);
      stash_taken_ += n;
      advance(n);
      if (remaining_ == 0) return complete();
      continue;
    }
    const auto want = static_cast<std::size_t>(std::min<std::uint64_t>({window.size(), remaining_, kMaxRead}));
    std::byte spare{};
    const IoResult result = connection_->transport->read(window.first(want), want == remaining_ ? &spare : nullptr);
    if (result.io == Io::kWouldBlock) return Step::kWait;
    if (result.io != Io::kDone) return broken(result, "in the body");
    touch();
    advance(std::min(result.bytes, want));
    if (result.bytes > want) return end(FetchKind::kProtocol, "bytes follow the body");
    if (remaining_ == 0) return complete();
    if (!must_read_on(result)) return Step::kWait;
    turn += result.bytes;
  }
  return Step::kAgain;
}

void Exchange::advance(std::size_t n) {
  remaining_ -= n;
  result_.received += n;
  host_.count(Count::kBytes, n);
  request_.sink->advance(n);
}

Exchange::Step Exchange::complete() {
  if (connection_->transport->buffered()) {
    std::byte extra{};
    if (connection_->transport->read({&extra, 1}, nullptr).io == Io::kDone) return end(FetchKind::kProtocol, "bytes follow the body");
  }
  return end(FetchKind::kOk);
}

Exchange::Step Exchange::receive_error_body() {
  for (;;) {
    const IoResult result = connection_->transport->read(host_.scratch(), nullptr);
    if (result.io == Io::kWouldBlock) return Step::kWait;
    // However it ends, the status is what matters.
    if (result.io != Io::kDone) return end_http_error(false);
    touch();
    const Step step = take_error_bytes(host_.scratch().first(result.bytes));
    if (step != Step::kNext) return step;
    if (!must_read_on(result)) return Step::kWait;
  }
}

Exchange::Step Exchange::take_error_bytes(std::span<const std::byte> bytes) {
  std::vector<std::byte>& body = result_.body;
  if (result_.head.chunked) {
    std::size_t consumed = 0;
    const ChunkState state = chunks_.decode(bytes, body, kMaxErrorBody, consumed);
    if (state == ChunkState::kDone) return end_http_error(consumed == bytes.size());
    return state == ChunkState::kInvalid || chunks_.dropped() > 0 ? end_http_error(false) : Step::kNext;
  }
  const bool sized = result_.head.content_length >= 0;
  const std::size_t mine = sized ? static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, bytes.size())) : bytes.size();
  const std::size_t kept = std::min(mine, kMaxErrorBody - body.size());
  body.insert(body.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(kept));
  if (sized) {
    remaining_ -= mine;
    if (remaining_ == 0) return end_http_error(mine == bytes.size());
  }
  return body.size() == kMaxErrorBody ? end_http_error(false) : Step::kNext;
}

// ---- ending ----

std::string Exchange::so_far() const {
  if (phase_ == Phase::kBody) return ", " + std::to_string(result_.received) + " of " + std::to_string(request_.expect_length) + " bytes received";
  if (establishing()) return ", no connection yet";
  return ", no response yet";
}

Exchange::Step Exchange::broken(const IoResult& result, const char* when) {
  if (result_.reused_connection && !any_byte_ && !retried_) {
    retried_ = true;
    result_.reused_connection = false;
    host_.count(Count::kStaleRetry, 1);
    host_.discard(std::move(connection_));
    sent_ = 0;
    phase_ = Phase::kDial;
    return Step::kNext;
  }
  std::string text = result.io == Io::kEof ? "connection closed " : "connection broken ";
  text += when + so_far();
  if (result.io == Io::kError) text += ": " + connection_->transport->error();
  return end(FetchKind::kReset, std::move(text));
}

Exchange::Step Exchange::end_http_error(bool whole) {
  if (!whole) result_.head.keep_alive = false;
  return end(FetchKind::kHttpError, "status " + std::to_string(result_.head.status));
}

Exchange::Step Exchange::end(FetchKind kind, std::string text) {
  result_.kind = kind;
  result_.text = std::move(text);
  result_.timings.total = std::chrono::steady_clock::now() - submitted_;
  if (connection_) {
    const bool clean = kind == FetchKind::kOk || kind == FetchKind::kHttpError;
    if (clean && result_.head.keep_alive && !connection_->hangup) {
      host_.park(std::move(connection_));
    } else {
      host_.discard(std::move(connection_));
    }
  }
  phase_ = Phase::kEnded;
  return Step::kFinished;
}

}  // namespace dlfs::http
