// Threads for what may wait on the disk: block writes, syncs, verification, unlinks, punches.
//
// Some tasks are short (a block written, a reply), some hold a thread for seconds (a sync of the file system, hundreds
// of blocks read back). Many datasets share one pool: the long ones of some must not keep the short ones of others
// waiting.
//
// Invariants:
//  1. Tasks of one pool may run in any order and in parallel; who needs an order chains them.
//  2. Long tasks occupy half of the threads at most.
//  3. The destructor runs what is queued, then joins.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace dlfs {

enum class DiskWork : uint8_t {
  kShort,  // block writes, replies, unlinks
  kLong,   // syncs: somebody waits for them, so they take turns with the short ones
  kIdle,   // verification: only when nothing else is to be done
};

class DiskPool {
 public:
  explicit DiskPool(unsigned threads);
  ~DiskPool();
  DiskPool(const DiskPool&) = delete;
  DiskPool& operator=(const DiskPool&) = delete;

  void submit(std::function<void()> task, DiskWork work = DiskWork::kShort);
  size_t queued() const;

 private:
  void loop();
  std::deque<std::function<void()>>* next();  // under mu_; null: nothing may start
  bool empty() const { return short_.empty() && long_.empty() && idle_.empty(); }

  mutable std::mutex mu_;
  std::condition_variable cv_;
  std::deque<std::function<void()>> short_, long_, idle_;
  const unsigned max_long_;
  unsigned long_running_ = 0;
  unsigned turn_ = 0;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace dlfs
