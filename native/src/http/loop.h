// FetchLoop: one fetch thread's epoll, mailbox, exchanges, kept connections and deadlines.
//
// A turn: socket events → exchanges with work left → mailbox → deadlines. Everything but post() and the counters
// belongs to the thread that runs run().
//
// Invariants
// 1. An event may name a connection that an earlier event of the same turn closed: closed connections live until the
// turn's end.
// 2. finish() of a sink runs when its exchange is no longer in any of the loop's tables, and under no lock.
// 3. The mailbox is drained in order: a cancel() or resume() after a submit() finds the request.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>
#include <variant>
#include <vector>

#include "../base/unique_fd.h"
#include "connection.h"
#include "deadline_heap.h"
#include "exchange.h"
#include "fetcher.h"

namespace dlfs::http {

struct SubmitMessage {
  FetchRequest request;
  std::shared_ptr<Endpoint> endpoint;
  TimePoint submitted;
};
struct CancelMessage {
  std::uint64_t id;
};
struct ResumeMessage {
  std::uint64_t id;
};
struct RemoveEndpointMessage {
  std::uint32_t endpoint;
};
struct StopMessage {};
using Message = std::variant<SubmitMessage, CancelMessage, ResumeMessage, RemoveEndpointMessage, StopMessage>;

class FetchLoop final : public ExchangeHost {
 public:
  // Throws std::system_error.
  explicit FetchLoop(const FetcherOptions& options);
  ~FetchLoop();
  FetchLoop(const FetchLoop&) = delete;
  FetchLoop& operator=(const FetchLoop&) = delete;

  // Any thread.
  void post(Message message);
  // Until a StopMessage; then everything is cancelled.
  void run();
  // After run() ended: finishes what was posted since. True when there was any.
  bool cancel_leftovers();
  // Any thread.
  void add_to(FetcherStats& stats) const;

 private:
  TimePoint now() const override { return now_; }
  std::span<std::byte> scratch() override { return scratch_; }
  void count(Count what, std::uint64_t by) override;
  bool watch(Connection& connection) override;
  void park(std::unique_ptr<Connection> connection) override;
  void discard(std::unique_ptr<Connection> connection) override;

  int timeout() const;
  void on_event(Connection& connection, std::uint32_t events);
  void on_idle_event(Connection& connection);
  void work_off();
  void drain_mailbox();
  void expire();
  void handle(SubmitMessage&& message);
  void handle(const CancelMessage& message);
  void handle(const ResumeMessage& message);
  void handle(const RemoveEndpointMessage& message);
  void handle(const StopMessage&);
  void settle(Exchange& exchange, Progress progress);
  void cancel_all(const char* text);
  std::unique_ptr<Connection> take_idle(std::uint32_t endpoint);
  std::unique_ptr<Connection> extract_idle(Connection& connection);
  void drop_idle(std::uint32_t endpoint);

  // Constant data
  const FetcherOptions options_;
  UniqueFd epoll_;
  UniqueFd wake_;

  // Mailbox, under its mutex
  std::mutex mutex_;
  std::vector<Message> inbox_;

  // Mutable state of the loop's thread
  std::vector<Message> work_;
  std::vector<std::byte> scratch_;
  TimePoint now_{};
  bool stopping_ = false;
  std::unordered_map<std::uint64_t, std::unique_ptr<Exchange>> exchanges_;
  std::unordered_map<std::uint32_t, std::vector<std::unique_ptr<Connection>>> idle_;  // the last used at the back
  std::vector<std::unique_ptr<Connection>> graveyard_;
  std::vector<std::uint64_t> ready_;
  DeadlineHeap<Exchange> deadlines_;
  DeadlineHeap<Connection> idle_deadlines_;

  // Counters, written by the loop's thread
  struct Counters {
    std::atomic<std::uint64_t> submitted{0}, finished{0}, active{0}, idle{0}, connects{0}, connect_failures{0},
        reused{0}, stale_retries{0}, tls_resumed{0}, bytes{0}, back_pressure{0};
  } counters_;
};

}  // namespace dlfs::http
