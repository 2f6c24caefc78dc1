// Threads that talk to the kernel's caches, one a session and only while it has something to tell.
//
// A notification waits for locks that a request in flight may hold: on a dataset whose origin stalls it can take as long
// as the read. So no session's notifications may stand in another's way, and no pool would be large enough.
//
// Invariants:
//  1. Notifications of one session are told in order.
//  2. A session without any has no thread.
//  3. The destructor tells what is queued, then joins. Sessions whose requests were ended before hold it up no longer.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <unordered_map>

namespace dlfs {

class Notifier {
 public:
  Notifier() = default;
  ~Notifier();
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  // Throws std::system_error where a thread cannot be had; nothing is queued then.
  void submit(uint32_t session, std::function<void()> task);

 private:
  void run(uint32_t session);

  std::mutex mu_;
  std::condition_variable ended_;
  std::unordered_map<uint32_t, std::deque<std::function<void()>>> queues_;  // of sessions that have a thread
};

}  // namespace dlfs
