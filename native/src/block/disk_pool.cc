#include "disk_pool.h"

#include <pthread.h>

#include <algorithm>

namespace dlfs {
namespace {

// While short tasks wait, one of so many that are started is a long one.
constexpr unsigned kLongEvery = 4;

}  // namespace

DiskPool::DiskPool(unsigned threads) : max_long_(std::max(1U, threads / 2)) {
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

void DiskPool::submit(std::function<void()> task, DiskWork work) {
  {
    std::lock_guard lock(mu_);
    auto& queue = work == DiskWork::kShort ? short_ : work == DiskWork::kLong ? long_ : idle_;
    queue.push_back(std::move(task));
  }
  cv_.notify_one();
}

size_t DiskPool::queued() const {
  std::lock_guard lock(mu_);
  return short_.size() + long_.size() + idle_.size();
}

std::deque<std::function<void()>>* DiskPool::next() {
  const bool may_be_long = long_running_ < max_long_;
  const bool longs_turn = short_.empty() || turn_ % kLongEvery == 0;
  if (may_be_long && longs_turn && !long_.empty()) return &long_;
  if (!short_.empty()) return &short_;
  return may_be_long && !idle_.empty() ? &idle_ : nullptr;
}

void DiskPool::loop() {
  std::unique_lock lock(mu_);
  for (;;) {
    std::deque<std::function<void()>>* queue = nullptr;
    cv_.wait(lock, [&] { return (queue = next()) != nullptr || (stop_ && empty()); });
    if (queue == nullptr) return;
    const bool is_long = queue != &short_;
    auto task = std::move(queue->front());
    queue->pop_front();
    ++turn_;
    if (is_long) ++long_running_;
    lock.unlock();
    task();
    task = nullptr;  // what it holds is let go of outside of the lock
    lock.lock();
    if (!is_long) continue;
    --long_running_;
    // Whoever waits could not start a long one, or waits for the last of them to end.
    cv_.notify_all();
  }
}

}  // namespace dlfs
