#include "notifier.h"

#include <pthread.h>

#include <thread>

namespace dlfs {

Notifier::~Notifier() {
  std::unique_lock lock(mu_);
  ended_.wait(lock, [this] { return queues_.empty(); });
}

void Notifier::submit(uint32_t session, std::function<void()> task) {
  std::lock_guard lock(mu_);
  const auto [it, added] = queues_.try_emplace(session);
  it->second.push_back(std::move(task));
  if (!added) return;
  try {
    // It is waited for by its entry in the table.
    std::thread([this, session] { run(session); }).detach();
  } catch (...) {
    queues_.erase(it);
    throw;
  }
}

void Notifier::run(uint32_t session) {
  pthread_setname_np(pthread_self(), "dlfs-notify");
  std::unique_lock lock(mu_);
  for (;;) {
    auto& queue = queues_[session];
    if (queue.empty()) break;
    auto task = std::move(queue.front());
    queue.pop_front();
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
  }
  queues_.erase(session);
  // Under the lock: behind it the destructor may be over.
  ended_.notify_all();
}

}  // namespace dlfs
