#include "disk_pool.h"

#include <pthread.h>

namespace dlfs {

DiskPool::DiskPool(unsigned threads) {
  for (unsigned i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { loop(); });
    pthread_setname_np(threads_.back().native_handle(), "dlfs-disk");
  }
}

DiskPool::~DiskPool() {
  {
    std::lock_guard lock(mu_);
    stop_ = true;
  }
  cv_.notify_all();
  for (auto& thread : threads_) thread.join();
}

void DiskPool::submit(std::function<void()> task, bool urgent) {
  {
    std::lock_guard lock(mu_);
    (urgent ? urgent_ : later_).push_back(std::move(task));
  }
  cv_.notify_one();
}

size_t DiskPool::queued() const {
  std::lock_guard lock(mu_);
  return urgent_.size() + later_.size();
}

void DiskPool::loop() {
  for (;;) {
    std::function<void()> task;
    {
      std::unique_lock lock(mu_);
      cv_.wait(lock, [this] { return stop_ || !urgent_.empty() || !later_.empty(); });
      auto& queue = urgent_.empty() ? later_ : urgent_;
      if (queue.empty()) return;
      task = std::move(queue.front());
      queue.pop_front();
    }
    task();
  }
}

}  // namespace dlfs
