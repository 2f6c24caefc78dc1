#include "exchange.h"

#include <algorithm>
#include <utility>

namespace dlfs::http {
namespace {

std::string milliseconds_text(std::chrono::milliseconds limit) { return std::to_string(limit.count()) + " ms"; }

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
      case Phase::kDial:
        step = dial();
        break;
      case Phase::kConnecting:
        step = finish_connect();
        break;
      case Phase::kTunnelSend:
        step = tunnel_send();
        break;
      case Phase::kTunnelHead:
        step = tunnel_head();
        break;
      case Phase::kHandshake:
        step = handshake();
        break;
      case Phase::kSend:
        step = send();
        break;
      case Phase::kHead:
        step = receive_head();
        break;
      case Phase::kBody:
        step = receive_body();
        break;
      case Phase::kErrorBody:
        step = receive_error_body();
        break;
      case Phase::kEnded:
        break;
    }
    switch (step) {
      case Step::kNext:
        continue;
      case Step::kWait:
        return Progress::kWaiting;
      case Step::kAgain:
        return Progress::kAgain;
      case Step::kFinished:
        return Progress::kFinished;
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
      step = end(FetchKind::kTimeout, "no connection within " + milliseconds_text(request_.connect_timeout) +
                                          (last_failure_.empty() ? "" : "; " + last_failure_));
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

std::string Exchange::so_far() const {
  if (phase_ == Phase::kBody)
    return ", " + std::to_string(result_.received) + " of " + std::to_string(request_.expect_length) +
           " bytes received";
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
  // What follows an error is not looked at: it costs the connection.
  if (!whole || connection_->transport->buffered()) result_.head.keep_alive = false;
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
