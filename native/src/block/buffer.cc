#include "buffer.h"

#include <cstdlib>
#include <new>

namespace dlfs {
namespace {

constexpr size_t kPage = 4096;
// Recycled memory kept, as a share of the cap: 64 blocks of 1 MiB by default, the runs of a few readers.
constexpr size_t kFreeShare = 8;
// Smaller allocations are left to malloc, which keeps them in its own bins.
constexpr size_t kRecycleFrom = 256 * 1024;

size_t round_up(size_t size) { return (size + kPage - 1) & ~(kPage - 1); }

}  // namespace

Buffer::Buffer(Budget& budget, std::byte* data, size_t size, std::shared_ptr<VolumeStats> stats)
    : budget_(budget), data_(data), size_(size), stats_(std::move(stats)) {
  if (stats_) count(stats_->memory_used, round_up(size_));
}

Buffer::~Buffer() {
  if (stats_) stats_->memory_used.fetch_sub(round_up(size_), std::memory_order_relaxed);
  budget_.release(data_, size_);
}

Budget::Budget(size_t cap, std::function<void(uint64_t)> on_release) : cap_(cap), on_release_(std::move(on_release)) {}

Budget::~Budget() {
  for (auto& [size, data] : free_) std::free(data);
}

std::shared_ptr<Buffer> Budget::acquire(size_t size, bool demand, uint64_t waiter, std::shared_ptr<VolumeStats> stats) {
  const size_t rounded = round_up(size);
  std::byte* data = nullptr;
  {
    std::lock_guard lock(mu_);
    const size_t limit = demand ? cap_ : cap_ - cap_ / 4;
    if (used_ + rounded > limit) {
      waiters_.push_back(waiter);
      return nullptr;
    }
    used_ += rounded;
    for (size_t i = free_.size(); i-- > 0;) {
      if (free_[i].first != rounded) continue;
      data = free_[i].second;
      free_bytes_ -= rounded;
      free_.erase(free_.begin() + static_cast<std::ptrdiff_t>(i));
      break;
    }
  }
  if (data == nullptr) data = static_cast<std::byte*>(std::aligned_alloc(kPage, rounded));
  if (data == nullptr) throw std::bad_alloc();
  return std::make_shared<Buffer>(*this, data, size, std::move(stats));
}

size_t Budget::used() const {
  std::lock_guard lock(mu_);
  return used_;
}

bool Budget::starved() const {
  std::lock_guard lock(mu_);
  return !waiters_.empty();
}

void Budget::release(std::byte* data, size_t size) {
  const size_t rounded = round_up(size);
  std::deque<uint64_t> woken;
  {
    std::lock_guard lock(mu_);
    used_ -= rounded;
    woken.swap(waiters_);
    // Recycled memory is on top of the cap, so it is little; the oldest size goes, or one odd size would fill it for
    // ever.
    if (rounded >= kRecycleFrom && rounded <= cap_ / kFreeShare) {
      free_.emplace_back(rounded, data);
      free_bytes_ += rounded;
      data = nullptr;
      if (free_bytes_ > cap_ / kFreeShare) {
        free_bytes_ -= free_.front().first;
        data = free_.front().second;
        free_.erase(free_.begin());
      }
    }
  }
  std::free(data);
  for (const uint64_t id : woken) on_release_(id);
}

}  // namespace dlfs
