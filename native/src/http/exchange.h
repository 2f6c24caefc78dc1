// Exchange: one request from its submission to its result; a state machine driven by its loop.
//
//   start() ─► connecting ─► (tunnel) ─► handshake ─┐
//      └── with a kept connection ──────────────────┴─► send ─► head ─► body | error body ─► ended
//
// Invariants
// 1. All calls come from the loop's thread. None blocks. After kFinished only deliver() and destruction follow.
// 2. It never destroys itself: the loop does, when a step said kFinished.
// 3. A kept connection that broke before the first byte of a response is replaced by a fresh one, once; nothing else is
// retried.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "chunked.h"
#include "connection.h"
#include "deadline_heap.h"
#include "endpoint.h"
#include "fetcher.h"
#include "response_parser.h"

namespace dlfs::http {

enum class Count : std::uint8_t { kConnect, kConnectFailure, kReused, kStaleRetry, kTlsResumed, kBytes, kBackPressure };

// What an exchange needs of its loop.
class ExchangeHost {
 public:
  virtual TimePoint now() const = 0;           // start of this turn
  virtual std::span<std::byte> scratch() = 0;  // free between two reads
  virtual void count(Count what, std::uint64_t by) = 0;
  virtual bool watch(Connection& connection) = 0;                    // false: errno
  virtual void park(std::unique_ptr<Connection> connection) = 0;     // idle from now on
  virtual void discard(std::unique_ptr<Connection> connection) = 0;  // closed at once

 protected:
  ~ExchangeHost() = default;
};

enum class Progress : std::uint8_t {
  kWaiting,  // for the socket, a timer or the sink
  kAgain,    // used up its turn with work left
  kFinished,
};

class Exchange final : public Deadlined {
 public:
  Exchange(ExchangeHost& host, FetchRequest request, std::shared_ptr<Endpoint> endpoint, TimePoint submitted);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // `kept` is an idle connection to the endpoint, or null.
  Progress start(std::unique_ptr<Connection> kept);
  // The socket may have become readable or writable, or it is this exchange's turn again.
  Progress drive();
  Progress resume();
  // Its entry in the heap of deadlines came up.
  Progress expire();
  Progress cancel(std::string text);
  // After kFinished: hands the result to the sink.
  void deliver();

  // When it has to be looked at even if nothing happens.
  TimePoint due() const noexcept;
  std::uint64_t id() const noexcept { return request_.id; }
  std::uint32_t endpoint_id() const noexcept { return request_.endpoint; }

  bool queued = false;  // the loop's: it stands in the list of those that have work left

 private:
  enum class Phase : std::uint8_t {
    kDial,
    kConnecting,
    kTunnelSend,
    kTunnelHead,
    kHandshake,
    kSend,
    kHead,
    kBody,
    kErrorBody,
    kEnded
  };
  enum class Step : std::uint8_t { kNext, kWait, kAgain, kFinished };

  Step dial();
  Step finish_connect();
  Step attempt_failed(const std::string& why);
  Step connected();
  Step tunnel_send();
  Step tunnel_head();
  Step secure();
  Step handshake();
  Step usable();
  Step send();
  Step receive_head();
  Step begin_body(std::string_view rest);
  Step receive_body();
  Step complete();
  Step receive_error_body();
  // Takes bytes of an error body; kNext = more to come.
  Step take_error_bytes(std::span<const std::byte> bytes);
  Step broken(const IoResult& result, const char* when);
  Step end(FetchKind kind, std::string text = {});
  Step end_http_error(bool whole);

  bool establishing() const noexcept { return phase_ <= Phase::kHandshake; }
  void advance(std::size_t n);
  void touch() noexcept { last_progress_ = host_.now(); }
  bool must_read_on(const IoResult& result) const noexcept { return !result.drained || connection_->hangup; }
  std::string so_far() const;

  ExchangeHost& host_;
  FetchRequest request_;
  const std::shared_ptr<Endpoint> endpoint_;
  const TimePoint submitted_;
  const TimePoint whole_due_;

  Phase phase_ = Phase::kDial;
  std::unique_ptr<Connection> connection_;
  FetchResult result_;

  // connecting
  std::vector<Target> targets_;
  std::size_t attempt_ = 0;
  TimePoint dial_started_{};
  TimePoint connect_due_{};
  TimePoint attempt_due_{};
  std::string last_failure_;

  // sending and receiving
  std::size_t sent_ = 0;
  TimePoint last_progress_{};
  ResponseParser parser_;
  std::string partial_;  // of a head that came in pieces
  unsigned interim_ = 0;
  bool any_byte_ = false;
  bool retried_ = false;
  bool paused_ = false;
  std::uint64_t remaining_ = 0;   // of the body; an error body without length: unused
  std::vector<std::byte> stash_;  // body bytes that came with the head and found no window
  std::size_t stash_taken_ = 0;
  ChunkedDecoder chunks_;
};

}  // namespace dlfs::http
