// Threads for what may wait on the disk: block writes, syncs, verification, unlinks, punches.
//
// Invariants:
//  1. Tasks of one pool may run in any order and in parallel; who needs an order chains them.
//  2. The destructor runs what is queued, then joins.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace dlfs {

class DiskPool {
 public:
  explicit DiskPool(unsigned threads);
  ~DiskPool();
  DiskPool(const DiskPool&) = delete;
  DiskPool& operator=(const DiskPool&) = delete;

  // `urgent` tasks (block writes, replies) go before the others (verification, sync).
  void submit(std::function<void()> task, bool urgent = true);
  size_t queued() const;

 private:
  void loop();

  mutable std::mutex mu_;
  std::condition_variable cv_;
  std::deque<std::function<void()>> urgent_, later_;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace dlfs
